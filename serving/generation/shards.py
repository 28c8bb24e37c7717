"""Any number of pictures in shards that training libraries read, with a manifest of hashes and an exact resume.

A shard gets its name when it is complete, then the manifest names it with its SHA-256. A run that was killed goes on
with the shards that the manifest does not name; its files are those of a run that nobody killed, whatever pool made
them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from numpy.typing import ArrayLike

from ...errors import ClusterError, EndpointError, LithoError, RuntimeCrash, StorageError, UsageError
from ...reporting.progress import Progress, quiet
from ...runners._pools import Pool, open_pool
from ...runners._pools.local import LocalPool
from .destinations import Destination, destination_of
from .shard_manifest import MANIFEST_NAME, Shard, ShardManifest, difference
from .shard_plan import Request, check_numbers, plan
from .shard_work import ShardWork, Source

__all__ = ["MANIFEST_NAME", "PER_SHARD", "Shard", "ShardManifest", "generate_shards"]

PER_SHARD = 1000
_WRITING_SHARE = 0.05
"""Most of the time that goes into writing the manifest, which names all shards each time."""

_RESUMABLE = (ClusterError, EndpointError, RuntimeCrash, StorageError)


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
    pool: Pool | None = None,
    progress: Progress = quiet,
) -> ShardManifest:
    """Make any number of pictures and write them into shards; a run that was interrupted goes on.

        >>> manifest = generate_shards("bundles/digits", {"seed": "0", "label": "0-9"}, "shards", count=10_000)
        >>> len(manifest.shards), manifest.shards[0].file
        (10, '00000.tar')

    Picture number n, from 0, has the first seed plus n. Memory does not grow with the count. A model behind an
    endpoint must stay the same; a candidate version beside it gets nothing.

    Args:
        target: a run, a bundle, or an endpoint grpc://HOST:PORT/MODEL.
        fields: field name -> text that `parse_inputs` reads, or values. `seed` is the first seed, 0 if it is not
            given; every other field is one value, or several that repeat in turn.
        out: folder of the shards and `manifest.json`, or URL of object storage such as s3://BUCKET/PREFIX; new, empty,
            or of the same run. In a cluster, a folder that all nodes share.
        count: pictures in all.
        format: "webdataset" (tar files) or "parquet".
        per_shard: pictures of a shard.
        variant: of a bundle, as `runners.choose_variants` takes it.
        device: "cpu" or "cuda".
        pool: of `open_pool`, whose workers make the shards; by default this process does.
        progress: reports how much is done.

    Returns:
        The manifest, as it was written.

    Raises:
        UsageError: a value is not allowed, or `out` holds something else or the shards of another run.
        LithoError: the target cannot be opened, changed meanwhile, or its runtime failed; or `out` cannot be
            written. What is complete stays, and the same call goes on.
    """
    check_numbers(count, format, per_shard)
    to = destination_of(out)
    to.check()
    with ExitStack() as opened:
        pool = pool or opened.enter_context(open_pool(device=device))
        request = Request(fields, count, format, per_shard)
        work, manifest = plan(Source(_absolute(target), variant, device), request, to, opened, pool.inline)
        keep = opened.enter_context(to.locked())
        to.sweep()
        record = _Record(to, _resume(to, manifest, keep, progress))
        try:
            with record:
                _run(pool, work, record, keep, progress)
        finally:
            if isinstance(pool, LocalPool):  # those of a cluster may not have ended yet
                to.sweep()
    return record.manifest


def _absolute(target: Path | str) -> str:
    text = str(target)
    return text if "://" in text else str(Path(text).absolute())


def _run(pool: Pool, work: ShardWork, record: _Record, keep: Callable[[], None], progress: Progress) -> None:
    manifest, done = record.manifest, len(record.finished)
    missing = [number for number in range(manifest.shard_count) if number not in record.finished]

    def report(shards: float) -> None:
        keep()
        progress("making pictures", min(1.0, (done + shards) * manifest.per_shard / manifest.count))

    try:
        with contextlib.closing(pool.run(work, missing, report)) as shards:
            for number, shard in shards:
                record.add(number, shard)
    except _RESUMABLE as error:
        raise type(error)(
            f"{error}; {len(record.finished)} of {manifest.shard_count} shards are complete, and the same command"
            " goes on with the others"
        ) from error


def _resume(
    to: Destination, manifest: ShardManifest, keep: Callable[[], None], progress: Progress
) -> ShardManifest:
    """The manifest with the shards that are there; that of the destination, if it has one."""
    found = to.read()
    if found is None:
        to.write(manifest)
        return manifest
    if (facts := difference(found, manifest)) is not None:
        raise UsageError(
            f"{to.name} holds shards of another run: {facts}; give the same again, or another folder"
        )
    listed = found.finished()

    def report(looked: int) -> None:
        keep()
        progress("checking shards", looked / found.shard_count)

    there = to.has([*listed.values()], report)
    return found.with_shards(
        {number: shard for (number, shard), good in zip(listed.items(), there, strict=True) if good}
    )


class _Record:
    """The shards that are complete, written into the manifest as they come and when the block ends.

    The manifest names all of them each time: it is written less often the longer that takes.
    """

    def __init__(self, to: Destination, manifest: ShardManifest) -> None:
        self._to, self.manifest = to, manifest
        self.finished = manifest.finished()
        self._next, self._changed = 0.0, False

    def add(self, number: int, shard: Shard) -> None:
        if not self._to.shows(shard):
            raise ClusterError(
                f"a worker wrote {shard.file}, and {self._to.name} does not show it here; give --out a folder that all"
                " nodes share, or a URL of object storage"
            )
        self.finished[number] = shard
        self._changed = True
        if time.monotonic() >= self._next:
            self._write()

    def _write(self) -> None:
        start = time.monotonic()
        self.manifest = self.manifest.with_shards(self.finished)
        self._to.write(self.manifest)
        self._changed = False
        self._next = time.monotonic() + (time.monotonic() - start) / _WRITING_SHARE

    def __enter__(self) -> _Record:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        if self._changed:
            # The error that ended the run says more than one of a second attempt to write.
            with suppress(*(() if kind is None else (LithoError, OSError))):
                self._write()
