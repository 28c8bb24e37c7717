"""Rows of encoded pictures -> a dataset in memory: decoding in threads, labels numbered, captions checked.

A source of rows (a parquet file, a folder) gives each split as `Records`; everything that holds for all of them is
decided here:

    size      without a resolution all pictures must come out at one size; with one they are brought to it
    colours   one picture that is not grey makes the whole set RGB
    labels    every row has one or none has; names are the source's, else the sorted texts, else the numbers from 0
    one class a set whose training rows all have the same label is taken as unlabelled, and says so in its notes
    captions  a row without one is trained without a prompt (an empty caption); where no row has one there are none
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...signature.image_files import bombs_are_errors, read_picture
from .dataset import Dataset
from .options import Options

__all__ = ["MOST_CLASSES", "Record", "Records", "assemble"]

MOST_CLASSES = 65_536
"""Highest number of classes; without it one wrong label of 10^12 would ask for as many names."""

_CHUNK = 64
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Record:
    """One row, not yet decoded.

    Args:
        where: what to call it in messages.
        image: the encoded picture, or the path of its file.
        source: the picture that it is made from, for paired data.
        label: number or name of its class.
        caption: what it shows.
    """

    where: str
    image: bytes | Path
    source: bytes | Path | None = None
    label: int | str | None = None
    caption: str | None = None


@dataclass(frozen=True)
class Records:
    """The rows of one split.

    Args:
        where: what to call them in messages.
        count: how many there are.
        rows: the rows, in the order that the dataset keeps.
    """

    where: str
    count: int
    rows: Iterable[Record]


def assemble(
    name: str,
    train: Records,
    test: Records | None,
    options: Options,
    *,
    licence: str = "unknown",
    class_names: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Decode the splits of a source into one dataset.

    Args:
        name: as `--data` takes it.
        train: what to train on.
        test: what the source holds out, if it does.
        options: size, colours, limit of memory, news of progress.
        licence: of the images.
        class_names: of the labels, in order; empty where the source names none.
        notes: what the source has to say to the user.

    Raises:
        DataError: a split is empty or does not fit the memory, a picture cannot be read or has another size than the
            others, or a label is missing or out of range.
    """
    splits = [_read(records, options) for records in (train, test) if records is not None]
    if len(splits) == 1 and train.count < 2:
        raise DataError(
            f"{train.where} holds one picture; at least 2 are needed: one to train on, one to test on"
        )
    names, class_notes = _class_names(splits, class_names)
    images, sources = _alike([split.images for split in splits]), _alike([split.sources for split in splits])
    captions = [_captions(split) for split in splits]
    parts = [
        Dataset(
            name=name,
            licence=licence,
            images=images[i],
            labels=_numbered(split, names) if names else None,
            class_names=names,
            captions=captions[i][0],
            sources=sources[i] if split.sources.started else None,
        )
        for i, split in enumerate(splits)
    ]
    said = (*notes, *class_notes, *(note for _, note in captions if note))
    return replace(parts[0], test=parts[1] if len(parts) > 1 else None, notes=said)


class _Stack:
    """Pictures of one size in one array, which is made when the first of them is known."""

    def __init__(self, records: Records, options: Options) -> None:
        self._where, self._capacity, self._options = records.where, records.count, options
        self.count, self.first = 0, ""
        self.pixels = np.empty((0, 1, 1, 1), np.uint8)

    @property
    def started(self) -> bool:
        return self.count > 0

    def add(self, picture: NDArray[np.uint8], where: str) -> None:
        if not self.started:
            self.first, self.pixels = where, self._allocated(picture.shape)
        _check_same_size(picture.shape, where, self.pixels.shape[1:], self.first)
        if picture.shape[2] > self.pixels.shape[3]:
            grey, self.pixels = self.pixels, self._allocated(picture.shape)
            self.pixels[: self.count] = grey[: self.count]
        self.pixels[self.count] = picture
        self.count += 1

    def _allocated(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        self._options.check_memory(self._where, self._capacity, shape)
        return np.empty((self._capacity, *shape), np.uint8)


@dataclass
class _Split:
    """A split as it was read, before the splits are made alike."""

    where: str
    images: _Stack
    sources: _Stack
    places: list[str] = field(default_factory=list)
    labels: list[int | str | None] = field(default_factory=list)
    captions: list[str | None] = field(default_factory=list)


def _read(records: Records, options: Options) -> _Split:
    if records.count < 1:
        raise DataError(f"{records.where} holds no pictures")
    split = _Split(records.where, _Stack(records, options), _Stack(records, options))

    def read(content: bytes | Path, where: str) -> NDArray[np.uint8]:
        return read_picture(content, where, size=options.size, channels=options.channels)

    def decoded(record: Record) -> tuple[Record, NDArray[np.uint8], NDArray[np.uint8] | None]:
        image = read(record.image, record.where)
        if record.source is None:
            return record, image, None
        return record, image, read(record.source, f"{record.where} (source)")

    with bombs_are_errors():
        for done, (record, image, source) in enumerate(_in_threads(decoded, _counted(records)), 1):
            split.images.add(image, record.where)
            if source is not None:
                split.sources.add(source, f"{record.where} (source)")
            split.places.append(record.where)
            split.labels.append(record.label)
            split.captions.append(record.caption)
            if options.progress is not None and (done % _CHUNK == 0 or done == records.count):
                options.progress(done, records.count)
    if split.sources.count not in (0, split.images.count):
        raise DataError(f"{records.where} holds pairs and single pictures; take one kind")
    return split


def _counted(records: Records) -> Iterator[Record]:
    """The rows, which must be as many as was said: a damaged file may say one thing and hold another."""
    count = 0
    for count, record in enumerate(records.rows, 1):
        if count > records.count:
            break
        yield record
    if count != records.count:
        raise DataError(
            f"{records.where} says that it holds {records.count} pictures, which is not so; write it again"
        )


def _in_threads(work: Callable[[Record], _Result], rows: Iterable[Record]) -> Iterator[_Result]:
    """`work` of every row, in order; only a few chunks of rows are held at a time."""
    workers = min(16, os.cpu_count() or 1)
    remaining, waiting = iter(rows), deque[Future[list[_Result]]]()
    pool = ThreadPoolExecutor(workers)
    try:
        # A task for each row would cost more than decoding a small picture.
        while chunk := list(islice(remaining, _CHUNK)):
            waiting.append(pool.submit(lambda part: [work(row) for row in part], chunk))
            if len(waiting) > 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _alike(stacks: list[_Stack]) -> list[NDArray[np.uint8]]:
    """The splits' pictures, all grey or all RGB."""
    channels = max(stack.pixels.shape[3] for stack in stacks)
    for stack in stacks:
        _check_same_size(stack.pixels.shape[1:], stack.first, stacks[0].pixels.shape[1:], stacks[0].first)
    return [
        stack.pixels if stack.pixels.shape[3] == channels else stack.pixels.repeat(channels, axis=3)
        for stack in stacks
    ]


def _check_same_size(shape: tuple[int, ...], where: str, first_shape: tuple[int, ...], first: str) -> None:
    if shape[:2] != first_shape[:2]:
        raise DataError(
            f"{where} is {shape[1]}x{shape[0]} after the crop to a square, {first} is"
            f" {first_shape[1]}x{first_shape[0]}; give a resolution, so that all are brought to it"
        )


def _class_names(splits: list[_Split], given: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the classes, none where the set counts as unlabelled; and what there is to say about that."""
    missing = [
        place
        for split in splits
        for place, label in zip(split.places, split.labels, strict=True)
        if label is None
    ]
    if len(missing) == sum(len(split.places) for split in splits):
        return (), ()
    if missing:
        raise DataError(f"{missing[0]} has no label, others have; label all pictures or none")
    train = splits[0]
    different = set(train.labels)
    names = given or _names_of(different, train.where)
    for split in splits:
        _numbered(split, names)
    if len(different) == 1:
        label = next(iter(different))
        name = names[label] if isinstance(label, int) else label
        return (), (f"{train.where} holds the one class {name!r} only: taken as unlabelled",)
    return names, ()


def _names_of(labels: set[int | str | None], where: str) -> tuple[str, ...]:
    texts = sorted(label for label in labels if isinstance(label, str))
    numbers = [label for label in labels if isinstance(label, int)]
    if texts and numbers:
        raise DataError(
            f"{where} has labels of both kinds, such as {texts[0]!r} and {numbers[0]}; take one kind"
        )
    highest = len(texts) - 1 if texts else max(numbers)
    if highest >= MOST_CLASSES:
        raise DataError(
            f"{where} has a label {highest}; allowed are 0 to {MOST_CLASSES - 1}: number the classes from 0"
        )
    return tuple(texts) or tuple(str(number) for number in range(highest + 1))


def _numbered(split: _Split, names: tuple[str, ...]) -> NDArray[np.int64]:
    numbers = {name: number for number, name in enumerate(names)}
    labels = [numbers.get(label, -1) if isinstance(label, str) else label for label in split.labels]
    for place, given, label in zip(split.places, split.labels, labels, strict=True):
        if label is None or not 0 <= label < len(names):
            allowed = f"0 to {len(names) - 1}" if isinstance(given, int) else ", ".join(names[:10])
            raise DataError(f"{place} has label {given!r}; allowed are {allowed}")
    return np.array(labels, np.int64)


def _captions(split: _Split) -> tuple[tuple[str, ...] | None, str]:
    """A caption for each picture, or None where there is none at all; and what there is to say about that."""
    captions = tuple((caption or "").strip() for caption in split.captions)
    for place, caption in zip(split.places, captions, strict=True):
        if not caption.isascii() and any("\ud800" <= letter <= "\udfff" for letter in caption):
            raise DataError(f"{place} has a caption that is no Unicode text: {caption!a}")
    missing = captions.count("")
    if missing == len(captions):
        return None, ""
    return (
        captions,
        f"{missing} of {len(captions)} pictures of {split.where} have no caption" if missing else "",
    )
