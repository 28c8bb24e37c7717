"""What a source of data is, and how the one for a name is found; knows no source by name.

A source is a module of this folder with a class `Source`: being there registers it. Names that sources bring of their
own (`digits`) come first; then whatever claims the name as a place (a path, an id of the hub). A folder that is called
like a source is meant by its path: `./digits`.
"""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from ...errors import UnknownName, UsageError
from ..data import Dataset
from ..reading import Options
from ..reading.places import DATA_VARIABLE, KNOWN, find, local_names

__all__ = ["Source", "find_source", "source_names"]


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


def _downloadable() -> tuple[str, ...]:
    return tuple(short for short, known in KNOWN.items() if known.hub_ids)


@cache
def _sources() -> tuple[Source, ...]:
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    names = [module.name for module in modules if module.name != "base"]
    return tuple(import_module(f".{name}", __package__).Source() for name in names)
