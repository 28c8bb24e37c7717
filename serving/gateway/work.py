"""The work of a request: the seeds of its pictures, the requests to the server, and the pictures that come back."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runners.triton import MadeBy, Options
from ...signature import Signature
from ...signature.fields import Role
from .served_models import Served

__all__ = [
    "Made",
    "Preview",
    "derived_seed",
    "make_pictures",
    "new_seed",
    "preview_steps",
    "rows_of",
    "streamed",
]

Row = dict[str, NDArray[Any]]
"""Field name -> array with a batch axis of length 1."""

SEED_BITS = 53
"""JavaScript reads whole numbers below 2**53 exactly."""

_WAITING = 4
"""Pictures of a stream that wait for a slow client before the server is no longer read."""


@dataclass(frozen=True)
class Made:
    """One picture that a request asked for.

    Args:
        index: of the picture in the request, from 0.
        row: all inputs that it was made from.
        image: UINT8 of shape (height, width, channels).
        made_by: the version of the model that made it.
    """

    index: int
    row: Row
    image: NDArray[np.uint8]
    made_by: MadeBy


@dataclass(frozen=True)
class Preview:
    """A picture on its way.

    Args:
        index: of the picture in the request, from 0.
        number: of the preview of this picture, from 0.
        image: UINT8 of shape (height, width, channels).
    """

    index: int
    number: int
    image: NDArray[np.uint8]


def derived_seed(seed: int, k: int) -> int:
    """The seed of picture `k` of a request whose first picture has `seed`.

    Picture 0 has `seed` itself. Picture k has the first 53 bits of the SHA-256 of the text "litho seed SEED K":
    requests with neighbouring seeds share no picture, and JavaScript reads the number exactly.

    Args:
        seed: 0 to 2**63 - 1.
        k: of the picture, from 0.
    """
    if k == 0:
        return seed
    digest = hashlib.sha256(f"litho seed {seed} {k}".encode()).digest()
    return int.from_bytes(digest[:8]) >> (64 - SEED_BITS)


def new_seed() -> int:
    """A random seed, 0 to 2**53 - 1."""
    return secrets.randbits(SEED_BITS)


def rows_of(signature: Signature, fields: Mapping[str, NDArray[Any]], count: int) -> list[Row]:
    """The inputs of each picture.

    Args:
        signature: of the model.
        fields: checked, a batch of one each; the seed is that of picture 0, and random if it is not given.
        count: how many pictures.
    """
    seed = signature.field(Role.SEED)
    base = signature.with_defaults(dict(fields))
    if seed is None or (count == 1 and seed.name in fields):
        return [base] * count
    first = int(fields[seed.name].item()) if seed.name in fields else new_seed()
    seeds = (derived_seed(first, k) for k in range(count))
    return [{**base, seed.name: np.array([one], np.int64)} for one in seeds]


async def make_pictures(served: Served, rows: list[Row], options: Options) -> list[Made]:
    """Make all pictures at once, each by a request of its own, so that the server batches them as it can.

    Cancelling this cancels all requests, on the server too; so does the first that fails.

    Raises:
        EndpointError: the server refused, or did not answer in time.
    """
    output = served.signature.output.name
    tasks = [served.together.submit(row, options) for row in rows]
    try:
        answers = [await tasks[0]] if len(tasks) == 1 else await asyncio.gather(*tasks)
    finally:
        for task in tasks:  # after a failure nobody waits for the others
            task.cancel()
    pairs = zip(rows, answers, strict=True)
    return [Made(index, row, answer[output][0], answer.made_by) for index, (row, answer) in enumerate(pairs)]


async def streamed(
    served: Served, rows: list[Row], previews: int, options: Options
) -> AsyncGenerator[Made | Preview]:
    """Pictures as they are finished, and previews of each on its way, where the model gives any.

    Args:
        served: the model.
        rows: the inputs of each picture.
        previews: of each picture, at most.
        options: of the requests.

    Raises:
        EndpointError: the server refused, or did not answer in time.
    """
    arrived: asyncio.Queue[Made | Preview | BaseException | None] = asyncio.Queue(_WAITING)
    tasks = [
        asyncio.create_task(_follow(served, *one, previews, options, arrived)) for one in enumerate(rows)
    ]
    try:
        running = len(tasks)
        while running:
            match await arrived.get():
                case None:
                    running -= 1
                case BaseException() as error:
                    raise error
                case picture:
                    yield picture
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def preview_steps(steps: int, count: int) -> tuple[int, frozenset[int]]:
    """After which steps previews are shown: spread evenly, and as many as asked for where there are enough steps.

    Args:
        steps: from noise to picture.
        count: of previews.

    Returns:
        Steps between two previews that the server is asked for, 0 for none; the steps whose previews are shown.
    """
    if count < 1 or steps < 2:
        return 0, frozenset()
    every = -(-steps // (count + 1))
    if (steps - 1) // every < count:
        every = max(1, steps // (count + 1))
    made = range(every, steps, every)
    if len(made) <= count:
        return every, frozenset(made)
    ideal = (steps * (k + 1) / (count + 1) for k in range(count))
    return every, frozenset(min(made, key=lambda step: abs(step - want)) for want in ideal)


async def _follow(
    served: Served, index: int, row: Row, previews: int, options: Options, arrived: asyncio.Queue[Any]
) -> None:
    """Put what comes of one picture into the queue, and None or the error in the end."""
    try:
        steps = served.signature.field(Role.STEPS)
        whole = 1 if steps is None else int(row[steps.name].item())
        every, shown = preview_steps(whole, previews if served.client.decoupled else 0)
        limited = Options(**{**vars(options), "preview_every": every})
        number = 0
        async with aclosing(served.client.stream(limited, **row)) as pictures:
            async for picture in pictures:
                if picture.finished:
                    await arrived.put(Made(index, row, picture.image, picture.made_by))
                elif picture.step in shown:
                    await arrived.put(Preview(index, number, picture.image))
                    number += 1
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        await arrived.put(error)
    else:
        await arrived.put(None)
