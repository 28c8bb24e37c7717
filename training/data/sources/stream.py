"""Shards that are read while they are used: `stream:` in front of a folder, a file or a URL."""

from __future__ import annotations

from ....errors import UsageError
from ..dataset import Dataset
from ..options import Options
from ..stream.pictures import open_stream
from .base import Source as BaseSource

__all__ = ["PREFIX", "Source"]

PREFIX = "stream:"


class Source(BaseSource):
    """Reads tar files of WebDataset and parquet files, one chunk at a time, in bounded memory."""

    def claims(self, name: str) -> bool:
        """Whether it starts with `stream:`."""
        return name.startswith(PREFIX)

    def load(self, name: str, options: Options) -> Dataset:
        """Open the stream."""
        where = name.removeprefix(PREFIX)
        if not where:
            raise UsageError(
                f"data {name!r} names no location; give {PREFIX}FOLDER or {PREFIX}s3://BUCKET/FOLDER"
            )
        return open_stream(name, where, options)
