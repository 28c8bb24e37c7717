"""From a request to the work and the manifest of a run; everything that can be refused is refused here."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..._version import __version__
from ...bundle import MANIFEST_NAME as BUNDLE_MANIFEST, Bundle
from ...errors import InvalidInput, UnknownName, UsageError
from ...runners._opening import chosen_variants
from ...signature import Signature
from ...signature.fields import Role
from ...signature.noise import MAX_SEED
from .destinations import Destination
from .generate import parse_inputs
from .shard_formats import FORMATS
from .shard_manifest import ShardManifest
from .shard_work import Rows, ShardWork, Source, recorded

__all__ = ["Request", "check_numbers", "plan"]

MOST_SHARDS = 60_000
"""The manifest of more would be too large to be read."""

_DEFAULT_FIRST_SEED = 0


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Args:
        fields: field name -> text or values, as `generate_shards` takes them.
        count: pictures in all.
        format: name of the files' format.
        per_shard: pictures of a shard.
    """

    fields: Mapping[str, ArrayLike]
    count: int
    format: str
    per_shard: int


def check_numbers(count: int, format: str, per_shard: int) -> None:
    """Refuse numbers that no run can have.

    Raises:
        UsageError: one of them is not allowed.
    """
    if format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    if count < 1 or per_shard < 1:
        raise UsageError(
            f"count {count} with pictures per shard {per_shard} is not allowed; give whole numbers from 1"
        )
    if count > per_shard * MOST_SHARDS:
        raise UsageError(
            f"{count} pictures are more than {MOST_SHARDS} shards of {per_shard}; put more pictures into a shard"
        )


def plan(
    source: Source, request: Request, to: Destination, opened: ExitStack, inline: bool
) -> tuple[ShardWork, ShardManifest]:
    """The work of a request, and its manifest without any shard.

    Args:
        source: what makes the pictures.
        request: what was asked for.
        to: where the shards go.
        opened: closes what has to stay open meanwhile.
        inline: whether this process makes the pictures: then it opens the runner, once.

    Raises:
        UsageError: a value is not allowed, or the target takes no seeds.
        LithoError: the target cannot be opened.
    """
    bundle = Path(source.target)
    if inline or "://" in source.target or not (bundle / BUNDLE_MANIFEST).exists():
        # A run is opened on the CPU: this machine may have no GPU though the workers have.
        runner = opened.enter_context((source if inline else replace(source, device="cpu")).open())
        signature, target = runner.signature, source.identity(runner)
    else:
        runner, found = None, Bundle.load(bundle)
        variant = ",".join(one.name for one in chosen_variants(found, source.variant, source.device))
        source, signature = replace(source, variant=variant), found.manifest.signature
        target = {**source.files(), "variant": variant, "device": source.device}
    rows, fields = _rows(source, signature, request)
    manifest = ShardManifest(
        litho_version=__version__,
        target=target,
        format=request.format,
        count=request.count,
        per_shard=request.per_shard,
        first_seed=rows.first_seed,
        fields=fields,
    )
    work = ShardWork(source, rows, manifest, to)
    if inline and runner is not None:
        work.lend(runner)
    return work, manifest


def _rows(source: Source, signature: Signature, request: Request) -> tuple[Rows, dict[str, list[Any] | str]]:
    """The inputs of all pictures, and the values of the fields that were given as the manifest records them."""
    seed = signature.field(Role.SEED)
    if seed is None:
        raise UsageError(
            f"{source.target} makes no pictures from seeds; shards are made from consecutive seeds"
        )
    first_seed = _first_seed(request.fields.get(seed.name, _DEFAULT_FIRST_SEED), request.count)
    others = {name: values for name, values in request.fields.items() if name != seed.name}
    given = (
        {name: np.asarray(values) for name, values in parse_inputs(signature, others).items()}
        if others
        else {}
    )
    rows = Rows(signature, seed.name, first_seed, given)
    # What is listed is checked now, and not when its turn comes.
    listed = max((len(values) for values in given.values()), default=1)
    checked = rows.inputs(0, max(1, min(request.count, listed)))
    return rows, {name: recorded(signature, name, checked[name][:listed]) for name in given}


def _first_seed(given: ArrayLike, count: int) -> int:
    text = str(given.item() if isinstance(given, np.generic) else given).strip()
    most = MAX_SEED - count + 1
    if not text.isdecimal() or len(text) > len(str(MAX_SEED)) or int(text) > most:
        raise InvalidInput(
            f"seed {text[:60]!r} is invalid: shards take the first seed, a whole number from 0 to {most} for {count}"
            " pictures; the others follow it"
        )
    return int(text)
