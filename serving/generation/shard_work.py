"""The work of making shards, as pools take it: piece number n is shard number n."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import MANIFEST_NAME as BUNDLE_MANIFEST
from ...errors import BundleError, LithoError
from ...files import sha256
from ...runners import Endpoint, Runner, open_runner
from ...runners._pools import Seat, Work
from ...runners._pools.base import Advance, Make
from ...runners.base import IN_FLIGHT
from ...signature import Signature
from ..clients.client import Client
from .destinations import Destination
from .shard_formats import key_of, open_shard, plain_values, shard_name
from .shard_manifest import Shard, ShardManifest

__all__ = ["Rows", "ShardWork", "Source", "recorded"]

_NOT_THE_TARGET = ("litho_canary_share", "litho_reload")
"""Parameters of a served model that say nothing of its pictures."""


@dataclass(frozen=True)
class Source:
    """What makes the pictures.

    Args:
        target: a run, a bundle or an endpoint; a path is absolute.
        variant: as `runners.choose_variants` takes it.
        device: "cpu" or "cuda".
    """

    target: str
    variant: str | None
    device: str

    @contextmanager
    def open(self, threads: int | None = None) -> Iterator[Runner]:
        """Open its runner, on `threads` cores; None for all."""
        if "://" in self.target:
            with Client(self.target) as client:
                client.use_live_only()
                yield client
        else:
            with open_runner(self.target, self.variant, device=self.device, threads=threads) as runner:
                yield runner

    def identity(self, runner: Runner, *, again: bool = False) -> dict[str, str]:
        """What makes the pictures, whatever its address is.

        Args:
            runner: open.
            again: ask a server anew.
        """
        if isinstance(runner, Client):
            parameters = runner.current_parameters() if again else runner.parameters
            known = {name: text for name, text in parameters.items() if name.startswith("litho_")}
            rest = {name: text for name, text in known.items() if name not in _NOT_THE_TARGET}
            return {"kind": "endpoint", "model": Endpoint.parse(self.target).model, **rest}
        return {**self.files(), "variant": runner.variant, "device": self.device}

    def files(self) -> dict[str, str]:
        """Kind and hash of a run or bundle on this machine's disk.

        Raises:
            BundleError: there is neither.
        """
        path = Path(self.target)
        if (path / BUNDLE_MANIFEST).exists():
            return {"kind": "bundle", "manifest_sha256": sha256(path / BUNDLE_MANIFEST)}
        if (path / "snapshot.json").exists():
            return {"kind": "run", "snapshot_sha256": sha256(path / "snapshot.json")}
        raise BundleError(
            f"there is no bundle or run at {path}; copy it there, or give a folder that all nodes share"
        )


@dataclass(frozen=True)
class Rows:
    """The inputs of numbered pictures.

    Args:
        signature: of the generator.
        seed_name: of the field that takes the seed.
        first_seed: of picture number 0; the others follow.
        given: values of other fields, which repeat in turn.
    """

    signature: Signature
    seed_name: str
    first_seed: int
    given: Mapping[str, NDArray[Any]]

    def inputs(self, first: int, end: int) -> dict[str, NDArray[Any]]:
        """Inputs of the pictures with the numbers `first` to `end`, without the last."""
        rows = np.arange(first, end)
        listed = {name: values[rows % len(values)] for name, values in self.given.items()}
        return self.signature.check({self.seed_name: self.first_seed + rows, **listed})


class ShardWork(Work):
    """Makes shards and puts them where they belong.

    Args:
        source: what makes the pictures.
        rows: their inputs.
        manifest: of the run.
        to: where the shards go.
    """

    def __init__(self, source: Source, rows: Rows, manifest: ShardManifest, to: Destination) -> None:
        self._source, self._rows, self._to = source, rows, to
        self._manifest = manifest.with_shards({})
        self._lent: Runner | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lent": None}

    def lend(self, runner: Runner) -> None:
        """Use a runner that is open, in this process."""
        self._lent = runner

    def check(self) -> None:
        """See `Work.check`: the same bundle or run lies on this node's disk."""
        if self._manifest.target["kind"] == "endpoint":
            return
        found = self._source.files()
        if any(self._manifest.target.get(name) != value for name, value in found.items()):
            raise BundleError(
                f"{self._source.target} is another {found['kind']} there; copy the same one to all nodes"
            )

    @contextmanager
    def open(self, seat: Seat) -> Iterator[Make]:
        """See `Work.open`."""
        if self._lent is not None:
            yield self._maker(self._lent)
            return
        self.check()
        with self._source.open(seat.threads) as runner:
            found = self._source.identity(runner)
            if found != self._manifest.target:
                raise BundleError(f"{_other(found, self._manifest.target)}; make all nodes alike")
            yield self._maker(runner)

    def _maker(self, runner: Runner) -> Make:
        def make(number: int, advance: Advance) -> Shard:
            shard = self._make(runner, number, advance)
            if self._source.identity(runner, again=True) != self._manifest.target:
                raise LithoError(
                    f"{self._source.target} serves another model than at the start; {number} shards in"
                    f" {self._to.name} are of the first: give another folder"
                )
            return shard

        return make

    def _make(self, runner: Runner, number: int, advance: Advance) -> Shard:
        manifest, rows = self._manifest, self._manifest.rows(number)
        file = shard_name(manifest.format, number, manifest.shard_count)
        size, digest = self._to.add(file, lambda path: self._fill(path, runner, rows, advance))
        return Shard(file=file, first=rows.start, pictures=len(rows), size=size, sha256=digest)

    def _fill(self, path: Path, runner: Runner, rows: range, advance: Advance) -> None:
        signature = runner.signature
        writer = open_shard(self._manifest.format, path, signature)
        try:
            for number, image, inputs, row in _pictures(
                runner, replace(self._rows, signature=signature), rows
            ):
                writer.add(key_of(number), image, plain_values(signature, inputs, row))
                if row == 0:
                    advance((number - rows.start) / len(rows))
        finally:
            writer.close()


def _pictures(
    runner: Runner, inputs_of: Rows, numbers: range
) -> Iterator[tuple[int, NDArray[np.uint8], dict[str, NDArray[Any]], int]]:
    """Number, picture, and the inputs with the row in them; a few batches are in flight."""
    name, size = runner.signature.output.name, runner.max_batch_size
    pending: deque[tuple[int, dict[str, NDArray[Any]], Future[Any]]] = deque()
    starts = iter(range(numbers.start, numbers.stop, size))
    try:
        while True:
            while len(pending) < IN_FLIGHT and (start := next(starts, None)) is not None:
                inputs = inputs_of.inputs(start, min(start + size, numbers.stop))
                pending.append((start, inputs, runner.submit(inputs)))
            if not pending:
                return
            start, inputs, future = pending.popleft()
            for row, image in enumerate(future.result()[name]):
                yield start + row, image, inputs, row
    finally:
        for *_, future in pending:
            future.cancel()


def _other(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """In what a node's target differs from the run's."""
    name = next(name for name in sorted({*found, *wanted}) if found.get(name) != wanted.get(name))
    return f"{name} is {found.get(name, 'nothing')!r} on this node and {wanted.get(name, 'nothing')!r} on the driver's"


def recorded(signature: Signature, name: str, values: NDArray[Any]) -> list[Any] | str:
    """Values of a field as the manifest records them."""
    field = next(one for one in signature.inputs if one.name == name)
    return hashlib.sha256(values.tobytes()).hexdigest() if field.shape else values.tolist()
