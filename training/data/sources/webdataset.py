"""Tar files of WebDataset, read into memory: one file, or a folder of them with splits.

`stream/formats/webdataset` describes the files of a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ....object_store import ObjectStore
from ....signature.image_files import SUFFIXES
from ..dataset import Dataset
from ..options import Options
from ..paths import find, licence_of
from ..records import Record, Records, assemble
from ..stream.formats.base import format_of
from ..stream.index import indexed
from ..stream.location import locate
from ..stream.shard import Shard
from .base import Source as BaseSource

__all__ = ["Source", "holds_tar_files"]

SUFFIX = ".tar"


class Source(BaseSource):
    """Reads tar files and folders of them."""

    def claims(self, name: str) -> bool:
        """Whether it is a tar file, or a folder of tar files."""
        path = find(name)
        if path is None or path.is_file():
            return path is not None and path.suffix == SUFFIX
        return not any(path.rglob("*.parquet")) and holds_tar_files(path)

    def load(self, name: str, options: Options) -> Dataset:
        """Load the pictures with their labels, captions or sources."""
        location, path = locate(name), find(name)
        assert path is not None
        shards = indexed(location.store, (*location.train, *location.test))
        train, test = shards[: len(location.train)], shards[len(location.train) :]
        parts = [_records(location.store, part) for part in (train, test) if part]
        folder = path if path.is_dir() else path.parent
        return assemble(name, parts, options, licence=licence_of(folder, name))


def holds_tar_files(folder: Path) -> bool:
    """Whether a folder has tar files and no pictures, of which a tar file beside them may be a copy."""
    files = [
        file for file in folder.rglob("*") if file.suffix == SUFFIX or file.name.lower().endswith(SUFFIXES)
    ]
    return bool(files) and all(file.suffix == SUFFIX for file in files)


def _records(store: ObjectStore, shards: Sequence[Shard]) -> Records:
    where = f"{store.url}/{shards[0].key}"
    if len(shards) > 1:
        where = f"{where} and {len(shards) - 1} more"
    return Records(where, sum(shard.pictures for shard in shards), _rows(store, shards))


def _rows(store: ObjectStore, shards: Sequence[Shard]) -> Iterator[Record]:
    for shard in shards:
        for chunk in shard.chunks:
            yield from format_of(shard.key).rows(store, shard, chunk)
