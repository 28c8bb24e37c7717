"""From a checked request to pictures: its fields, the seeds of its pictures, and the requests to the server."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runners.triton import Options
from ...signature.fields import Role
from ...signature.noise import MAX_SEED
from .served_models import Served

__all__ = ["Made", "derived_seed", "make_pictures", "new_seed", "rows_of"]


@dataclass(frozen=True)
class Made:
    """One picture that a request asked for.

    Args:
        index: of the picture in the request, from 0.
        fields: all inputs that it was made from, name -> value of one picture.
        image: UINT8 of shape (height, width, channels).
    """

    index: int
    fields: dict[str, Any]
    image: NDArray[np.uint8]


def derived_seed(seed: int, k: int) -> int:
    """The seed of picture `k` of a request whose first picture has `seed`.

    Picture 0 has `seed` itself; picture k has the first 63 bits of the SHA-256 of "litho seed SEED K": requests with
    neighbouring seeds share no picture.

    Args:
        seed: 0 to 2**63 - 1.
        k: of the picture, from 0.
    """
    if k == 0:
        return seed
    digest = hashlib.sha256(f"litho seed {seed} {k}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def new_seed() -> int:
    """A random seed, 0 to 2**63 - 1; below 2**53, so that JavaScript reads it exactly."""
    return secrets.randbelow(min(MAX_SEED, 2**53))


def rows_of(served: Served, fields: Mapping[str, Any], count: int) -> list[dict[str, NDArray[Any]]]:
    """Checked inputs of each picture, a batch of one each.

    Args:
        served: the model.
        fields: name -> value of one picture, equal for all; the seed's is of picture 0, random if it is not given.
        count: how many pictures.

    Raises:
        InvalidInput: a field is unknown, missing, or has a value that it does not allow.
    """
    signature = served.signature
    seed_field = signature.field(Role.SEED)
    rows = []
    fields = dict(fields)
    if seed_field is not None and seed_field.name not in fields:
        fields[seed_field.name] = new_seed()
    for index in range(count):
        if seed_field is not None and index:
            row = {**fields, seed_field.name: derived_seed(int(fields[seed_field.name]), index)}
        else:
            row = fields
        rows.append(signature.check(signature.broadcast(row)))
    return rows


async def make_pictures(served: Served, rows: list[dict[str, NDArray[Any]]], options: Options) -> list[Made]:
    """Make all pictures at once, each by a request of its own, so that the server batches them as it can.

    Cancelling this cancels all requests, on the server too; so does the first that fails.

    Raises:
        EndpointError: the server refused, or did not answer in time.
    """
    output = served.signature.output.name
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_one(served, row, options)) for row in rows]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [
        Made(index, {name: values[0] for name, values in row.items()}, task.result()[output][0])
        for index, (row, task) in enumerate(zip(rows, tasks, strict=True))
    ]


async def _one(served: Served, row: dict[str, NDArray[Any]], options: Options) -> Any:
    return await served.together.submit(row, options)
