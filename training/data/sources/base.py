"""What a source of data is, and how the one for a name is found; knows no source by name.

A source is a module of this folder with a class `Source`: being there registers it. Names that sources bring of their
own (`digits`) come first; then whatever claims the name as a place (a path, an id of the hub). A folder that is called
like a source is meant by its path: `./digits`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from ....errors import UnknownName, UsageError
from ....plugins import load_plugins
from ..dataset import Dataset
from ..options import Options
from ..paths import DATA_VARIABLE, KNOWN_DATASETS, find, local_names

__all__ = ["Source", "find_source", "load", "source_names"]


class Source(ABC):
    """One kind of data.

    Attributes:
        names: what it answers to; none where it reads places.
    """

    names: ClassVar[tuple[str, ...]] = ()

    def claims(self, name: str) -> bool:
        """Whether `name`, which no source has as its own, is a place that this one reads."""
        return False

    @abstractmethod
    def load(self, name: str, options: Options) -> Dataset:
        """The data called `name`.

        Raises:
            DataError: it cannot be used as it lies there.
            MissingExtra: the package that reads it is not installed.
            UsageError: it cannot be had as the options ask.
        """


def source_names() -> tuple[str, ...]:
    """The names that sources bring of their own."""
    return tuple(sorted(name for source in _sources() for name in source.names))


def find_source(name: str) -> Source:
    """The source that `name` belongs to.

    Raises:
        UnknownName: it is the name of nothing.
        UsageError: it is a path that leads to nothing, or to a file that is no parquet file.
    """
    named = (source for source in _sources() if name in source.names)
    claiming = (source for source in _sources() if source.claims(name))
    if found := next(named, None) or next(claiming, None):
        return found
    if path := find(name):
        raise UsageError(
            f"data {str(path)!r} is a file; allowed are .parquet files, and folders of them or of images"
        )
    if name.startswith((".", "~", "/")) or name.endswith(".parquet") or name.count("/") > 2:
        raise UsageError(
            f"data {name!r} is no file or folder, here or in the folder that {DATA_VARIABLE} names"
        )
    raise UnknownName("data", name, {*source_names(), *local_names(), *_downloadable()})


def load(
    name: str,
    *,
    resolution: int | None = None,
    channels: int | None = None,
    memory_bytes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """The data that `--data` names, whole; `training.data.sources` says what it takes.

    Args:
        name: of a source, a path, what lies in the folder of `LITHO_DATA`, or an id of the Hugging Face hub.
        resolution: height and width in pixels to bring the images to; None keeps their size.
        channels: 1 (grey) or 3 (RGB); None gives grey where every image is grey.
        memory_bytes: most that the images of one split may take; by default half of this machine's memory.
        progress: is told (images read, images there are) of each split.

    Raises:
        UnknownName: it names nothing.
        UsageError: it cannot be had as it is asked for.
        DataError: it cannot be used as it lies on disk.
        MissingExtra: the package that brings or reads the images is not installed.
    """
    return find_source(name).load(name, Options(resolution, channels, memory_bytes, progress))


def _downloadable() -> tuple[str, ...]:
    return tuple(short for short, known in KNOWN_DATASETS.items() if known.hub_ids)


def _sources() -> tuple[Source, ...]:
    return tuple(module.Source() for module in load_plugins("litho.training.data.sources").values())
