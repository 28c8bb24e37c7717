"""Parquet files: a chunk is a row group, and the file's own footer is its index."""

from __future__ import annotations

from typing import Any

from .....errors import DataError
from .....extras import require
from .....object_store import ObjectStore
from .....reporting import human_bytes
from ...parquet_rows import Columns, columns_of, opened, records
from ...records import Record
from ..shard import MOST_CHUNK_BYTES, Chunk, Shard
from .base import ShardFormat

__all__ = ["Format"]


class Format(ShardFormat):
    """Reads the columns that a training needs of one row group at a time."""

    suffix = ".parquet"

    def indexed(self, store: ObjectStore, shard: Shard) -> Shard:
        """The shard with a chunk for each row group; only footer and labels are read."""
        where = f"{store.url}/{shard.key}"
        with store.opened(shard.key) as file, opened(file, where) as parquet:
            columns = columns_of(parquet.schema_arrow, where)
            chunks = tuple(
                _chunk(parquet.metadata.row_group(n), columns, n) for n in range(parquet.num_row_groups)
            )
            for chunk in chunks:
                if chunk.size > MOST_CHUNK_BYTES:
                    raise DataError(
                        f"{where} has a row group of {human_bytes(chunk.size)}, which is read as a whole; at most"
                        f" {human_bytes(MOST_CHUNK_BYTES)} are allowed: write it with fewer rows in a group"
                    )
            labels = _labels(parquet, columns)
        return shard.model_copy(
            update={
                "chunks": tuple(chunk for chunk in chunks if chunk.pictures),
                "labels": labels,
                "class_names": columns.class_names,
                "columns": ", ".join(columns.read),
            }
        )

    def rows(self, store: ObjectStore, shard: Shard, chunk: Chunk) -> list[Record]:
        """The rows of a row group."""
        where = f"{store.url}/{shard.key}"
        with store.opened(shard.key) as file, opened(file, where) as parquet:
            columns = columns_of(parquet.schema_arrow, where)
            if chunk.first >= parquet.num_row_groups:
                raise DataError(
                    f"{where} has {parquet.num_row_groups} row groups, and had more; put the file back"
                )
            before = sum(parquet.metadata.row_group(n).num_rows for n in range(chunk.first))
            table = parquet.read_row_group(chunk.first, columns=columns.read)
            found: list[Record] = []
            for batch in table.to_batches():
                found += records(batch, columns, where, before + len(found))
        return found


def _chunk(group: Any, columns: Columns, number: int) -> Chunk:
    parts = (group.column(index) for index in range(group.num_columns))
    size = sum(
        part.total_uncompressed_size for part in parts if part.path_in_schema.split(".")[0] in columns.read
    )
    return Chunk(pictures=group.num_rows, first=number, size=size)


def _labels(parquet: Any, columns: Columns) -> tuple[int | str | None, ...]:
    if columns.label is None:
        return (None,)
    compute = require("pyarrow.compute", "train")
    column = parquet.read(columns=[columns.label]).column(0)
    different = compute.unique(column.combine_chunks())
    return tuple(sorted(different.to_pylist(), key=repr))
