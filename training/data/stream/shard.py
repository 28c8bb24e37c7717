"""What is known of a shard before its pictures are read: size, tag, chunks, labels."""

from __future__ import annotations

from ....bundle.json_documents import Document

__all__ = ["CHUNK_BYTES", "CHUNK_PICTURES", "MOST_CHUNK_BYTES", "Chunk", "Shard"]

CHUNK_BYTES, CHUNK_PICTURES = 16 << 20, 256
"""A chunk of a tar file ends at one of these. A Parquet file has its own chunks, its row groups."""

MOST_CHUNK_BYTES = 256 << 20
"""Largest chunk: it is in memory as a whole."""


class Chunk(Document):
    """Consecutive pictures of a shard that are read together.

    Args:
        pictures: how many.
        first: byte at which they begin; of a Parquet file the number of the row group.
        size: in bytes.
    """

    pictures: int
    first: int
    size: int


class Shard(Document):
    """A file with pictures.

    Args:
        key: its path below the location of the stream.
        size: in bytes.
        tag: of `ObjectFacts`; another one when the file was written again.
        sha256: of the file, if a manifest beside it says so.
        chunks: what is read together, in order.
        labels: different labels in it; None among them if a picture has none.
        class_names: of the labels, if the file has them.
        columns: what it records; all shards of a stream have the same.
    """

    key: str
    size: int
    tag: str
    sha256: str | None = None
    chunks: tuple[Chunk, ...] = ()
    labels: tuple[int | str | None, ...] = ()
    class_names: tuple[str, ...] = ()
    columns: str = ""

    @property
    def pictures(self) -> int:
        """Pictures in it."""
        return sum(chunk.pictures for chunk in self.chunks)

    @property
    def identity(self) -> str:
        """What tells its content from another: the hash where it is known, else the tag."""
        return self.sha256 or self.tag
