"""Builds datasets from rows of encoded pictures: decodes in threads, numbers labels, checks captions.

A source (parquet files, a folder) passes each split as `Records`. These rules hold for all sources:

    size       with a resolution all pictures are resized to it; without one all must have the same size
    channels   one RGB picture makes the whole set RGB
    labels     all rows have a label or none has; names come from the source, else from sorted texts or numbers from 0
    one class  a set with a single class in its training part counts as unlabelled, which is noted
    captions   a row without a caption has an empty one; a set without any has None
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
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

__all__ = ["MOST_CLASSES", "Record", "Records", "assemble", "names_of"]

MOST_CLASSES = 65_536
"""Largest number of classes; limits the memory that a single wrong label can request."""

_CHUNK = 64
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Record:
    """One row, not yet decoded.

    Args:
        where: its location, for messages.
        image: the encoded picture, or the path of its file.
        source: the source picture of paired data.
        label: number or name of its class.
        caption: text of the picture.
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
        where: their location, for messages.
        count: number of rows.
        rows: the rows, in the order of the dataset.
    """

    where: str
    count: int
    rows: Iterable[Record]


def assemble(
    name: str,
    parts: Sequence[Records],
    options: Options,
    *,
    licence: str = "unknown",
    class_names: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Decode the splits of a source into one dataset.

    Args:
        name: the value of `--data`.
        parts: the training split, and the test split if the source has one.
        options: size, channels, memory limit.
        licence: of the images.
        class_names: of the labels, in order; empty if the source has no names.
        notes: messages of the source to the user.

    Raises:
        DataError: a split is empty or exceeds the memory limit, a picture is unreadable or differs in size, or a label
            is missing or out of range.
    """
    splits = [_read(records, options) for records in parts]
    if len(splits) == 1 and parts[0].count < 2:
        raise DataError(f"{parts[0].where} has one picture; expected at least 2, for training and test")
    names, class_notes = _class_names(splits, class_names)
    images = _same_channels([split.images for split in splits])
    sources = _same_channels([split.sources for split in splits])
    captions = [_captions(split) for split in splits]
    datasets = [
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
    all_notes = (*notes, *class_notes, *(note for _, note in captions if note))
    return replace(datasets[0], test=datasets[1] if len(datasets) > 1 else None, notes=all_notes)


class _Stack:
    """Pictures of one size in one array, which is allocated for the first picture."""

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
    """A decoded split, before its channels and labels are matched to the other split."""

    where: str
    images: _Stack
    sources: _Stack
    locations: list[str] = field(default_factory=list)
    labels: list[int | str | None] = field(default_factory=list)
    captions: list[str | None] = field(default_factory=list)


def _read(records: Records, options: Options) -> _Split:
    if records.count < 1:
        raise DataError(f"{records.where} has no pictures")
    split = _Split(records.where, _Stack(records, options), _Stack(records, options))

    def read(content: bytes | Path, where: str) -> NDArray[np.uint8]:
        return read_picture(content, where, size=options.size, channels=options.channels)

    def decoded(record: Record) -> tuple[Record, NDArray[np.uint8], NDArray[np.uint8] | None]:
        image = read(record.image, record.where)
        if record.source is None:
            return record, image, None
        return record, image, read(record.source, f"{record.where} (source)")

    with bombs_are_errors():
        for record, image, source in _in_threads(decoded, _counted(records)):
            split.images.add(image, record.where)
            if source is not None:
                split.sources.add(source, f"{record.where} (source)")
            split.locations.append(record.where)
            split.labels.append(record.label)
            split.captions.append(record.caption)
    if split.sources.count not in (0, split.images.count):
        raise DataError(f"{records.where} mixes pairs and single pictures; use one kind")
    return split


def _counted(records: Records) -> Iterator[Record]:
    """The rows; their number must equal the declared one, which a damaged file may get wrong."""
    count = 0
    for count, record in enumerate(records.rows, 1):
        if count > records.count:
            break
        yield record
    if count != records.count:
        raise DataError(
            f"{records.where} declares {records.count} pictures but has another number; write the file again"
        )


def _in_threads(work: Callable[[Record], _Result], rows: Iterable[Record]) -> Iterator[_Result]:
    """Apply `work` to every row in threads, in order; only a few chunks of rows are in memory at a time."""
    workers = min(16, os.cpu_count() or 1)
    remaining, waiting = iter(rows), deque[Future[list[_Result]]]()
    pool = ThreadPoolExecutor(workers)
    try:
        # In chunks, because a task per row costs more than decoding a small picture.
        while chunk := list(islice(remaining, _CHUNK)):
            waiting.append(pool.submit(lambda part: [work(row) for row in part], chunk))
            if len(waiting) > 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _same_channels(stacks: list[_Stack]) -> list[NDArray[np.uint8]]:
    """The pictures of all splits, converted to RGB if one split is RGB."""
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
            f"{where} is {shape[1]}x{shape[0]} after the crop to a square but {first} is"
            f" {first_shape[1]}x{first_shape[0]}; give a resolution to resize all"
        )


def _class_names(splits: list[_Split], given: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Class names, none if the set counts as unlabelled, and notes on the labels."""
    missing = [
        location
        for split in splits
        for location, label in zip(split.locations, split.labels, strict=True)
        if label is None
    ]
    if len(missing) == sum(len(split.locations) for split in splits):
        return (), ()
    if missing:
        raise DataError(f"{missing[0]} has no label but others have; label all pictures or none")
    train = splits[0]
    different = set(train.labels)
    names = given or names_of(different, train.where)
    for split in splits:
        _numbered(split, names)
    if len(different) == 1:
        label = next(iter(different))
        name = names[label] if isinstance(label, int) else label
        return (), (f"{train.where} has the single class {name!r} and is treated as unlabelled",)
    return names, ()


def names_of(labels: set[int | str | None], where: str) -> tuple[str, ...]:
    """Class names by the labels of all pictures: the texts, sorted, or the numbers from 0.

    Raises:
        DataError: texts and numbers are mixed, or there are more than `MOST_CLASSES`; the message names `where`.
    """
    texts = sorted(label for label in labels if isinstance(label, str))
    numbers = [label for label in labels if isinstance(label, int)]
    if texts and numbers:
        raise DataError(
            f"{where} mixes text and number labels, such as {texts[0]!r} and {numbers[0]}; use one kind"
        )
    highest = len(texts) - 1 if texts else max(numbers)
    if highest >= MOST_CLASSES:
        raise DataError(
            f"{where} has label {highest}; allowed are 0 to {MOST_CLASSES - 1}; number the classes from 0"
        )
    return tuple(texts) or tuple(str(number) for number in range(highest + 1))


def _numbered(split: _Split, names: tuple[str, ...]) -> NDArray[np.int64]:
    numbers = {name: number for number, name in enumerate(names)}
    labels = [numbers.get(label, -1) if isinstance(label, str) else label for label in split.labels]
    for location, given, label in zip(split.locations, split.labels, labels, strict=True):
        if label is None or not 0 <= label < len(names):
            allowed = f"0 to {len(names) - 1}" if isinstance(given, int) else ", ".join(names[:10])
            raise DataError(f"{location} has label {given!r}; allowed are {allowed}")
    return np.array(labels, np.int64)


def _captions(split: _Split) -> tuple[tuple[str, ...] | None, str]:
    """A caption for each picture, or None if there are none, and a note on missing captions."""
    captions = tuple((caption or "").strip() for caption in split.captions)
    for location, caption in zip(split.locations, captions, strict=True):
        if not caption.isascii() and any("\ud800" <= letter <= "\udfff" for letter in caption):
            raise DataError(f"{location} has a caption that is not valid Unicode: {caption!a}")
    missing = captions.count("")
    if missing == len(captions):
        return None, ""
    return (
        captions,
        f"{missing} of {len(captions)} pictures of {split.where} have no caption" if missing else "",
    )
