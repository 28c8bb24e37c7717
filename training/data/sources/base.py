"""The interface of data sources, and their registry.

A source is a module of this folder with a class `Source`. The names of sources (`digits`) come first, then the first
source that claims the name as a location (a path, a hub id). Give a folder called like a source as a path: `./digits`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
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
        names: values of `--data` that belong to this source; none for sources of locations.
    """

    names: ClassVar[tuple[str, ...]] = ()

    def claims(self, name: str) -> bool:
        """Whether `name`, which is not the name of a source, is a location that this source reads."""
        return False

    @abstractmethod
    def load(self, name: str, options: Options) -> Dataset:
        """Load the data called `name`.

        Raises:
            DataError: the data cannot be used.
            MissingExtra: the package that reads it is not installed.
            UsageError: the options cannot be met.
        """


def source_names() -> tuple[str, ...]:
    """Names of all named sources."""
    return tuple(sorted(name for source in _sources() for name in source.names))


def find_source(name: str) -> Source:
    """Find the source of `name`.

    Raises:
        UnknownName: there is no such data.
        UsageError: the path does not exist, or is a file other than parquet and tar.
    """
    named = (source for source in _sources() if name in source.names)
    claiming = (source for source in _sources() if source.claims(name))
    if found := next(named, None) or next(claiming, None):
        return found
    if path := find(name):
        raise UsageError(
            f"data {str(path)!r} is a file; expected a .parquet or .tar file, or a folder of them or of images"
        )
    if name.startswith((".", "~", "/")) or name.endswith((".parquet", ".tar")) or name.count("/") > 2:
        raise UsageError(f"data {name!r} is not a file or folder, here or in the folder of {DATA_VARIABLE}")
    downloadable = (short for short, known in KNOWN_DATASETS.items() if known.hub_ids)
    raise UnknownName(
        "data",
        name,
        {*source_names(), *local_names(), *downloadable},
        else_="the path of a folder, .parquet or .tar file, or OWNER/NAME of the Hugging Face hub",
    )


def load(
    name: str,
    *,
    resolution: int | None = None,
    channels: int | None = None,
    memory_bytes: int | None = None,
) -> Dataset:
    """Load the data of `--data`; the module `training.data.sources` lists the values.

    Args:
        name: of a source, a path, a name in the folder of `LITHO_DATA`, or an id of the Hugging Face hub.
        resolution: height and width in pixels to resize the images to; None keeps their size.
        channels: 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA); None gives grey if every image is grey, else RGB.
        memory_bytes: largest size of one decoded split; by default half of this machine's memory.

    Raises:
        UnknownName: there is no such data.
        UsageError: the options cannot be met.
        DataError: the data cannot be used.
        MissingExtra: the package that has or reads the images is not installed.
    """
    return find_source(name).load(name, Options(resolution, channels, memory_bytes))


def _sources() -> tuple[Source, ...]:
    return tuple(module.Source() for module in load_plugins("litho.training.data.sources").values())
