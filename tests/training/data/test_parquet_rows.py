"""Columns of parquet files that are no files on disk; `sources/test_parquet.py` has the rest of the layout."""

from __future__ import annotations

import io

import pytest

from litho.errors import DataError
from litho.training.data.parquet_rows import columns_of, opened, records

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def test_the_rows_of_an_open_file_have_its_captions_and_their_numbers() -> None:
    file = io.BytesIO()
    image = arrow.array([{"bytes": b"png", "path": "1.png"}] * 3)
    parquet.write_table(arrow.table({"image": image, "seed": [0, 1, 2], "prompt": ["a", "b", "c"]}), file)
    with opened(file, "shard 1") as found:
        columns = columns_of(found.schema_arrow, "shard 1")
        rows = list(records(next(found.iter_batches()), columns, "shard 1", first=7))
    assert columns.read == ["image", "prompt"]
    assert [(row.where, row.caption, row.image) for row in rows] == [
        ("shard 1 row 7", "a", b"png"),
        ("shard 1 row 8", "b", b"png"),
        ("shard 1 row 9", "c", b"png"),
    ]


def test_an_open_file_that_is_damaged_is_named() -> None:
    with (
        pytest.raises(DataError, match=r"^shard 1 cannot be read as parquet \(.*\); download or write"),
        opened(io.BytesIO(b"no"), "shard 1"),
    ):
        pass
