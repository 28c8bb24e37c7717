"""The interface of shard formats, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from .....errors import DataError
from .....object_store import ObjectStore
from .....plugins import load_plugins
from ...records import Record
from ..shard import Chunk, Shard

__all__ = ["ShardFormat", "format_of", "formats"]


class ShardFormat(ABC):
    """One kind of file.

    Attributes:
        suffix: of its files.
    """

    suffix: ClassVar[str]

    @abstractmethod
    def indexed(self, store: ObjectStore, shard: Shard) -> Shard:
        """The shard with its chunks and labels.

        Raises:
            DataError: it is damaged, or holds something else.
            StorageError: it cannot be read.
        """

    @abstractmethod
    def rows(self, store: ObjectStore, shard: Shard, chunk: Chunk) -> list[Record]:
        """The rows of a chunk, not yet decoded.

        Raises:
            DataError: it is damaged, or differs from what was indexed.
            StorageError: it cannot be read.
        """


def formats() -> dict[str, ShardFormat]:
    """Suffix -> format."""
    plugins = load_plugins("litho.training.data.stream.formats").values()
    return {made.suffix: made for made in (module.Format() for module in plugins)}


def format_of(key: str) -> ShardFormat:
    """The format of a file.

    Raises:
        DataError: no format has its suffix.
    """
    known = formats()
    found = next((one for suffix, one in known.items() if key.endswith(suffix)), None)
    if found is None:
        raise DataError(f"{key} is no shard; allowed are files that end in {', '.join(known)}")
    return found
