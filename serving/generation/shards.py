"""Any number of pictures in shards that training libraries read, with a manifest of hashes and an exact resume.

A shard is written beside its place and renamed, then the manifest names it with its SHA-256. A run that was killed
goes on behind the shards that the manifest names; its files are those of a run that nobody killed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._version import __version__
from ...bundle import MANIFEST_NAME as BUNDLE_MANIFEST
from ...bundle.json_documents import Document, read_as
from ...errors import InvalidInput, LithoError, UnknownName, UsageError
from ...files import check_folder, sha256, write_bytes, write_file
from ...reporting.progress import Progress, quiet
from ...runners import Endpoint, Runner, open_runner
from ...runners.base import IN_FLIGHT
from ...signature import Signature
from ...signature.fields import Role
from ...signature.noise import MAX_SEED
from ..clients.client import Client
from .generate import parse_inputs
from .shard_formats import FORMATS, key_of, open_shard, plain_values, shard_name

__all__ = ["MANIFEST_NAME", "PER_SHARD", "Shard", "ShardManifest", "generate_shards"]

MANIFEST_NAME = "manifest.json"
PER_SHARD = 1000
MOST_SHARDS = 100_000
_SCHEMA_VERSION = 1
_DEFAULT_FIRST_SEED = 0
_NOT_THE_TARGET = ("litho_canary_share", "litho_reload")
"""Parameters of a served model that say nothing of its pictures."""


class Shard(Document):
    """A file with consecutive pictures.

    Args:
        file: its path in the folder.
        first: number of its first picture, from 0.
        pictures: how many.
        size: in bytes.
        sha256: of the file.
    """

    file: str
    first: int
    pictures: int
    size: int
    sha256: str


class ShardManifest(Document):
    """What a folder of shards holds, and what it was asked for.

    Args:
        schema_version: of this document.
        litho_version: that started it.
        target: what made the pictures: kind, name, hashes, variant.
        format: name of the files' format.
        count: pictures in all.
        per_shard: pictures of a shard; the last may have fewer.
        first_seed: picture number n has this seed plus n.
        fields: values of every other field that was given, which repeat in turn; of arrays their SHA-256.
        shards: those that are complete, in order.
        complete: whether these are all.
    """

    schema_version: int = _SCHEMA_VERSION
    litho_version: str
    target: dict[str, str]
    format: str
    count: int
    per_shard: int
    first_seed: int
    fields: dict[str, list[Any] | str]
    shards: tuple[Shard, ...] = ()
    complete: bool = False


@dataclass(frozen=True)
class _Work:
    """What makes the pictures, and of what."""

    runner: Runner
    given: Mapping[str, NDArray[Any]]
    first_seed: int
    seed_name: str

    def inputs(self, first: int, end: int) -> dict[str, NDArray[Any]]:
        rows = np.arange(first, end)
        listed = {name: values[rows % len(values)] for name, values in self.given.items()}
        return self.runner.signature.check({self.seed_name: self.first_seed + rows, **listed})

    def pictures(
        self, first: int, end: int
    ) -> Iterator[tuple[int, NDArray[np.uint8], dict[str, NDArray[Any]], int]]:
        """Number, picture, and the inputs with the row in them; a few batches are in flight."""
        name, size = self.runner.signature.output.name, self.runner.max_batch_size
        pending: deque[tuple[int, dict[str, NDArray[Any]], Future[Any]]] = deque()
        starts = iter(range(first, end, size))
        try:
            while True:
                while len(pending) < IN_FLIGHT and (start := next(starts, None)) is not None:
                    inputs = self.inputs(start, min(start + size, end))
                    pending.append((start, inputs, self.runner.submit(inputs)))
                if not pending:
                    return
                start, inputs, future = pending.popleft()
                for row, image in enumerate(future.result()[name]):
                    yield start + row, image, inputs, row
        finally:
            for *_, future in pending:
                future.cancel()


def generate_shards(  # noqa: PLR0913 - a verb of the public interface
    target: Path | str,
    fields: Mapping[str, ArrayLike],
    out: Path | str,
    *,
    count: int,
    format: str = "webdataset",
    per_shard: int = PER_SHARD,
    variant: str | None = None,
    device: str = "cpu",
    progress: Progress = quiet,
) -> ShardManifest:
    """Make any number of pictures and write them into shards; a run that was interrupted goes on.

        >>> manifest = generate_shards("bundles/digits", {"seed": "0", "label": "0-9"}, "shards", count=100_000)
        >>> len(manifest.shards), manifest.shards[0].file
        (100, '00000.tar')

    Picture number n, from 0, has the first seed plus n. Memory does not grow with the count. A model behind an
    endpoint must stay the same; a candidate version beside it gets nothing.

    Args:
        target: a run, a bundle, or an endpoint grpc://HOST:PORT/MODEL.
        fields: field name -> text that `parse_inputs` reads, or values. `seed` is the first seed, 0 if it is not
            given; every other field is one value, or several that repeat in turn.
        out: folder of the shards and `manifest.json`; new, empty, or of the same run.
        count: pictures in all.
        format: "webdataset" (tar files) or "parquet".
        per_shard: pictures of a shard.
        variant: of a bundle, as `runners.choose_variants` takes it.
        device: "cpu" or "cuda".
        progress: reports how much is done.

    Returns:
        The manifest, as it was written.

    Raises:
        UsageError: a value is not allowed, or the folder holds something else or the shards of another run.
        LithoError: the target cannot be opened, changed meanwhile, or its runtime failed.
    """
    out = Path(out)
    _check_numbers(count, format, per_shard)
    check_folder(out, "--out")
    with _open(target, variant, device) as runner:
        work, manifest = _plan(runner, fields, target, device, (count, format, per_shard))
        out.mkdir(parents=True, exist_ok=True)
        with _locked(out):
            manifest = _resume(out, manifest, progress)
            shards = -(-count // per_shard)
            for number in range(shards):
                if number < len(manifest.shards):
                    continue
                shard = _write_shard(out, number, shards, work, manifest, progress)
                if _identity(target, runner, device, again=True) != manifest.target:
                    raise LithoError(
                        f"{target} serves another model than at the start; {number} shards in {out} are of the first:"
                        " give another folder"
                    )
                done = (*manifest.shards, shard)
                manifest = manifest.model_copy(update={"shards": done, "complete": len(done) == shards})
                _write(out, manifest)
    return manifest


def _check_numbers(count: int, format: str, per_shard: int) -> None:
    if format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    if count < 1 or per_shard < 1:
        raise UsageError(f"count {count} and pictures per shard {per_shard} are whole numbers from 1")
    if count > per_shard * MOST_SHARDS:
        raise UsageError(
            f"{count} pictures are more than {MOST_SHARDS} shards of {per_shard}; put more pictures into a shard"
        )


@contextmanager
def _open(target: Path | str, variant: str | None, device: str) -> Iterator[Runner]:
    if isinstance(target, str) and "://" in target:
        with Client(target) as client:
            client.use_live_only()
            yield client
    else:
        with open_runner(target, variant, device=device) as runner:
            yield runner


def _plan(
    runner: Runner,
    fields: Mapping[str, ArrayLike],
    target: Path | str,
    device: str,
    size: tuple[int, str, int],
) -> tuple[_Work, ShardManifest]:
    signature, (count, format, per_shard) = runner.signature, size
    seed = signature.field(Role.SEED)
    if seed is None:
        raise UsageError(f"{target} makes no pictures from seeds; shards are made from consecutive seeds")
    first_seed = _first_seed(fields.get(seed.name, _DEFAULT_FIRST_SEED), count)
    others = {name: values for name, values in fields.items() if name != seed.name}
    given = (
        {name: np.asarray(values) for name, values in parse_inputs(signature, others).items()}
        if others
        else {}
    )
    work = _Work(runner, given, first_seed, seed.name)
    # What is listed is checked now, and not when its turn comes.
    listed = max((len(values) for values in given.values()), default=1)
    checked = work.inputs(0, max(1, min(count, listed)))
    manifest = ShardManifest(
        litho_version=__version__,
        target=_identity(target, runner, device),
        format=format,
        count=count,
        per_shard=per_shard,
        first_seed=first_seed,
        fields={name: _recorded(signature, name, checked[name][:listed]) for name in given},
    )
    return work, manifest


def _first_seed(given: ArrayLike, count: int) -> int:
    text = str(given.item() if isinstance(given, np.generic) else given).strip()
    most = MAX_SEED - count + 1
    if not text.isdecimal() or len(text) > len(str(MAX_SEED)) or int(text) > most:
        raise InvalidInput(
            f"seed {text[:60]!r} is invalid: shards take the first seed, a whole number from 0 to {most} for {count}"
            " pictures; the others follow it"
        )
    return int(text)


def _recorded(signature: Signature, name: str, values: NDArray[Any]) -> list[Any] | str:
    field = next(one for one in signature.inputs if one.name == name)
    return hashlib.sha256(values.tobytes()).hexdigest() if field.shape else values.tolist()


def _identity(target: Path | str, runner: Runner, device: str, *, again: bool = False) -> dict[str, str]:
    """What makes the pictures, whatever its address is."""
    if isinstance(runner, Client):
        parameters = runner.current_parameters() if again else runner.parameters
        known = {name: text for name, text in parameters.items() if name.startswith("litho_")}
        rest = {name: text for name, text in known.items() if name not in _NOT_THE_TARGET}
        return {"kind": "endpoint", "model": Endpoint.parse(str(target)).model, **rest}
    path = Path(target)
    made_by = {"variant": runner.variant, "device": device}
    if (path / BUNDLE_MANIFEST).exists():
        return {"kind": "bundle", "manifest_sha256": sha256(path / BUNDLE_MANIFEST), **made_by}
    return {"kind": "run", "snapshot_sha256": sha256(path / "snapshot.json"), **made_by}


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    # A lock on the folder itself leaves no file behind, and ends with the process.
    descriptor = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UsageError(
            f"another process writes shards to {out}; wait for it, or give another folder"
        ) from None
    finally:
        os.close(descriptor)


def _resume(out: Path, manifest: ShardManifest, progress: Progress) -> ShardManifest:
    """The manifest with the shards that are there; the folder's own, if it has one."""
    if not (out / MANIFEST_NAME).exists():
        if present := sorted(path.name for path in out.iterdir() if not path.name.startswith(".")):
            raise UsageError(
                f"--out was given {str(out)!r}, which holds {present[0]!r} and no shards; give a new folder"
            )
        _write(out, manifest)
        return manifest
    found = read_as(ShardManifest, "a manifest of shards", out, MANIFEST_NAME, _SCHEMA_VERSION)
    if (difference := _difference(found, manifest)) is not None:
        raise UsageError(
            f"{out} holds shards of another run: {difference}; give the same again, or another folder"
        )
    good: list[Shard] = []
    for shard in found.shards:
        progress("checking shards", shard.first / manifest.count)
        path = out / shard.file
        if not path.is_file() or path.stat().st_size != shard.size or sha256(path) != shard.sha256:
            break  # it and all behind it are made again
        good.append(shard)
    return found.model_copy(
        update={"shards": tuple(good), "complete": len(good) * manifest.per_shard >= manifest.count}
    )


def _difference(found: ShardManifest, wanted: ShardManifest) -> str | None:
    """The first fact in which two runs differ, in words."""
    for name in ("target", "format", "count", "per_shard", "first_seed", "fields"):
        theirs, ours = getattr(found, name), getattr(wanted, name)
        if theirs == ours:
            continue
        if isinstance(theirs, dict):
            key = next(key for key in sorted({*theirs, *ours}) if theirs.get(key) != ours.get(key))
            name, theirs, ours = f"{name}.{key}", theirs.get(key), ours.get(key)
        return f"{name} is {_short(theirs)} there and {_short(ours)} here"
    return None


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:76]}..."


def _write_shard(
    out: Path, number: int, shards: int, work: _Work, manifest: ShardManifest, progress: Progress
) -> Shard:
    first = number * manifest.per_shard
    end = min(first + manifest.per_shard, manifest.count)
    file = shard_name(manifest.format, number, shards)
    write_file(out / file, lambda path: _fill(path, work, manifest, (first, end), progress))
    path = out / file
    return Shard(file=file, first=first, pictures=end - first, size=path.stat().st_size, sha256=sha256(path))


def _fill(
    path: Path, work: _Work, manifest: ShardManifest, rows: tuple[int, int], progress: Progress
) -> None:
    signature = work.runner.signature
    writer = open_shard(manifest.format, path, signature)
    try:
        for number, image, inputs, row in work.pictures(*rows):
            writer.add(key_of(number), image, plain_values(signature, inputs, row))
            if row == 0:
                progress("making pictures", number / manifest.count)
    finally:
        writer.close()


def _write(out: Path, manifest: ShardManifest) -> None:
    write_bytes(out / MANIFEST_NAME, manifest.model_dump_json(indent=2) + "\n")
