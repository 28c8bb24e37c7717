"""A stream of pictures as a dataset: its sample, its held-out part, its classes, and its batches."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....bundle.json_documents import Document, read_as
from ....errors import BundleError, CheckpointError, DataError, UsageError
from ....files import write_bytes
from ....object_store import ObjectStore
from ....reporting import human_bytes
from ....signature.image_files import read_picture
from ..batches import Batches, PictureStream, Share
from ..dataset import TEST_SHARE, Dataset
from ..options import Options
from ..paths import licence_in
from ..records import Record, Records, assemble, names_of
from .formats.base import format_of
from .index import indexed
from .location import CARD, locate
from .order import MOST_LANES, Order
from .reader import Decoded, StreamBatches
from .shard import Chunk, Shard

__all__ = ["open_stream"]

SAMPLE, SAMPLE_BYTES = 10_000, 512 << 20
"""Most pictures of the sample and of the held-out part that are kept in memory, and most bytes of each, decoded."""

HELD_OUT = 10_000
_SAMPLE_CHUNKS = 64
_READERS = 8
_OPEN_BYTES = 1 << 30
"""Chunks that are open at a time: with large ones a batch has fewer lanes."""

_RECORD_NAME = "shards.json"
_Part = tuple[Shard, Chunk]


class _Shards(Document):
    """The shards that a run was started with: key -> size and identity."""

    schema_version: int = 1
    shards: dict[str, tuple[int, str]]


def open_stream(name: str, where: str, options: Options) -> Dataset:
    """Open the shards at a location.

    Args:
        name: the value of `--data`.
        where: the location.
        options: form of the pictures.

    Returns:
        A sample of the training pictures and one of the held-out ones, both in memory; training reads the stream.

    Raises:
        UsageError: there are no shards.
        DataError: the shards cannot be used.
        StorageError: they cannot be reached.
    """
    location = locate(where)
    shards = indexed(location.store, (*location.train, *location.test))
    split = len(location.train)
    train, test = _parts(shards[:split]), _parts(shards[split:])
    if not test:
        train, test = _hold_out(name, train)
    names, notes = _class_names(name, shards, [shard for shard, _ in train])
    source = _Source(location.store, labelled=bool(names))
    most = _sample_size(source, train, options)
    samples = [Records(f"a sample of {name}", *source.sample(parts, most)) for parts in (train, test)]
    count = sum(chunk.pictures for _, chunk in train)
    among = len({shard.key for shard, _ in train})
    note = (
        f"{count:,} training pictures in {among:,} shard{'' if among == 1 else 's'}; figures are measured on a sample"
        f" of {samples[0].count:,}"
    )
    card = location.store.read(CARD)
    licence = None if card is None else licence_in(card.decode("utf-8", "replace"))
    made = assemble(
        name, samples, options, licence=licence or "unknown", class_names=names, notes=(note, *notes)
    )
    if names and made.labels is None:
        raise DataError(
            f"a sample of {name} has pictures of a single class of {len(names)}; write the shards in a random order"
        )
    stream = _Stream(source, shards, train, made, options)
    return replace(made, stream=stream)


def _parts(shards: Sequence[Shard]) -> list[_Part]:
    return [(shard, chunk) for shard in shards for chunk in shard.chunks]


def _hold_out(name: str, parts: list[_Part]) -> tuple[list[_Part], list[_Part]]:
    """Training and test chunks: a random fifth is held out, at most `HELD_OUT` pictures and a chunk."""
    if len(parts) < 2:
        raise DataError(
            f"{name} has {parts[0][1].pictures} pictures in one chunk, which needs no stream; give the path alone"
        )
    total = sum(chunk.pictures for _, chunk in parts)
    wanted, held, chosen = min(HELD_OUT, total * TEST_SHARE), 0, set[int]()
    for index in np.random.default_rng(0).permutation(len(parts)).tolist():
        if held >= wanted or len(chosen) == len(parts) - 1:
            break
        chosen.add(index)
        held += parts[index][1].pictures
    return (
        [part for index, part in enumerate(parts) if index not in chosen],
        [part for index, part in enumerate(parts) if index in chosen],
    )


def _class_names(
    name: str, shards: Sequence[Shard], train: Sequence[Shard]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Class names, none if the stream counts as unlabelled, and notes on the labels."""
    labels = {label for shard in shards for label in shard.labels}
    if labels == {None}:
        return (), ()
    if None in labels:
        shard = next(shard for shard in shards if None in shard.labels)
        raise DataError(f"{shard.key} of {name} has pictures without a label; label all pictures or none")
    names = shards[0].class_names or names_of(set(labels), name)
    different = {label for shard in train for label in shard.labels}
    if len(different) == 1:
        return (), (f"{name} has the single class {next(iter(different))!r} and is treated as unlabelled",)
    return names, ()


def _sample_size(source: _Source, train: Sequence[_Part], options: Options) -> int:
    if options.resolution is not None:
        size = options.resolution**2 * (options.channels or 3)
    else:
        first = source.rows(*train[0])[0]
        size = read_picture(first.image, first.where, channels=options.channels or 3).size
    return max(2, min(SAMPLE, SAMPLE_BYTES // size))


@dataclass(frozen=True)
class _Source:
    """Rows of chunks, from the shards that were indexed and no others.

    Args:
        store: of the shards.
        labelled: keep the labels.
    """

    store: ObjectStore
    labelled: bool

    def rows(self, shard: Shard, chunk: Chunk) -> list[Record]:
        """The rows of a chunk, not decoded.

        Raises:
            DataError: the shard is missing, damaged or another one.
        """
        try:
            rows = format_of(shard.key).rows(self.store, shard, chunk)
        finally:
            self._check(shard)  # first of all: a file that was replaced also looks damaged
        return rows if self.labelled else [replace(row, label=None) for row in rows]

    def sample(self, parts: Sequence[_Part], most: int) -> tuple[int, Iterator[Record]]:
        """Number and rows of a sample of at most `most` pictures, the same at every call, from many chunks."""
        order = np.random.default_rng(0).permutation(len(parts))[:_SAMPLE_CHUNKS]
        share = -(-most // len(order))
        chosen = [
            (parts[index], np.linspace(0, size - 1, min(share, size)).round().astype(int).tolist())
            for index in sorted(order.tolist())
            if (size := parts[index][1].pictures)
        ]
        count = min(most, sum(len(rows) for _, rows in chosen))
        return count, self._sampled(chosen, count)

    def _sampled(self, chosen: Sequence[tuple[_Part, list[int]]], count: int) -> Iterator[Record]:
        with ThreadPoolExecutor(_READERS) as pool:
            for first in range(0, len(chosen), _READERS):
                some = chosen[first : first + _READERS]
                for rows, (_, numbers) in zip(
                    pool.map(lambda one: self.rows(*one[0]), some), some, strict=True
                ):
                    yield from (rows[number] for number in numbers[:count])
                    count -= min(count, len(numbers))

    def _check(self, shard: Shard) -> None:
        found = self.store.facts(shard.key)
        where = f"{self.store.url}/{shard.key}"
        if found is None:
            raise DataError(f"{where} is missing; put it back and run the same command again") from None
        if (found.size, found.tag) != (shard.size, shard.tag):
            raise DataError(
                f"{where} was changed while it was used; put it back and run the same command again"
            ) from None


class _Stream(PictureStream):
    """Training pictures of shards.

    Args:
        source: of the rows.
        shards: all of them, those of the test part included.
        train: chunks to train on.
        sample: a dataset with the form that all pictures must have.
        options: form of the pictures.
    """

    def __init__(
        self,
        source: _Source,
        shards: Sequence[Shard],
        train: Sequence[_Part],
        sample: Dataset,
        options: Options,
    ) -> None:
        self._source, self._shards, self._train, self._options = source, shards, train, options
        self._picture = sample.picture
        self._source_picture = None if sample.sources is None else sample.sources.shape[1:]
        self._labels: dict[str | int, int] = {name: number for number, name in enumerate(sample.class_names)}
        self._labels |= {number: number for number in range(len(sample.class_names))}
        self._captions = sample.captions is not None
        self.count = sum(chunk.pictures for _, chunk in train)

    def sha256(self) -> str:
        """Hash of the names, sizes and hashes or tags of all shards."""
        lines = (f"{one.key}\0{one.size}\0{one.identity}\0{one.pictures}\n" for one in self._shards)
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()

    def batches(self, share: Share) -> Batches:
        """The batches of a training, in the order of `order`."""
        sizes = np.array([chunk.pictures for _, chunk in self._train])
        largest = max(chunk.size for _, chunk in self._train)
        most_lanes = max(1, min(MOST_LANES, _OPEN_BYTES // max(1, largest)))
        order = Order(share.seed, sizes, share.batch, share.shuffle_nimg, most_lanes)
        mean = sum(chunk.size for _, chunk in self._train) / self.count
        slots = len(range(share.batch)[share.part]) / share.batch
        # Two windows of every lane of this process, each with a chunk that is wanted in part.
        needed = 2 * math.ceil(slots * (share.shuffle_nimg * mean + order.lanes * largest))
        needed = min(needed, math.ceil(mean * self.count))
        if needed > self._options.most_bytes:
            raise UsageError(
                f"shuffle_nimg={share.shuffle_nimg} needs {human_bytes(needed)} of memory, more than the limit of"
                f" {human_bytes(self._options.most_bytes)}; give --set shuffle_nimg=... with fewer pictures"
            )
        return StreamBatches(
            order, share, lambda number: self._source.rows(*self._train[number]), self._decoded
        )

    def check_unchanged(self, run: Path) -> None:
        """Compare the shards with those that the run recorded, or record them."""
        now = {one.key: (one.size, one.identity) for one in self._shards}
        if not (run / _RECORD_NAME).exists():
            write_bytes(run / _RECORD_NAME, _Shards(shards=now).model_dump_json(indent=1) + "\n")
            return
        try:
            before = read_as(_Shards, "a record of shards", run, _RECORD_NAME, 1).shards
        except BundleError as error:
            raise CheckpointError(str(error)) from None
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                change = "is missing" if key not in now else "is new" if key not in before else "has changed"
                raise CheckpointError(
                    f"{self._source.store.url}/{key} {change} since {run} was started; put the data back as it was,"
                    " or give another --run"
                )

    def _decoded(self, row: Record) -> Decoded:
        source = None
        if self._source_picture is not None:
            assert row.source is not None, "all shards have the same columns"
            source = self._pixels(row.source, f"{row.where} (source)", self._source_picture)
        return Decoded(
            image=self._pixels(row.image, row.where, self._picture),
            source=source,
            label=self._number(row) if self._labels else None,
            caption=(row.caption or "").strip() if self._captions else None,
        )

    def _pixels(self, content: Any, where: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        options = self._options
        pixels = read_picture(content, where, size=options.size, channels=options.channels)
        if pixels.shape[:2] != shape[:2]:
            raise DataError(
                f"{where} is {pixels.shape[1]}x{pixels.shape[0]} after the crop to a square but others are"
                f" {shape[1]}x{shape[0]}; give a resolution to resize all"
            )
        if pixels.shape[2] > shape[2]:
            raise DataError(f"{where} is in colour but those of the sample are grey; make all of one kind")
        return pixels if pixels.shape[2] == shape[2] else pixels.repeat(shape[2], axis=2)

    def _number(self, row: Record) -> int:
        number = None if row.label is None else self._labels.get(row.label)
        if number is None:
            raise DataError(
                f"{row.where} has label {row.label!r}, which the index of its shard does not have"
            )
        return number
