"""Parquet shards: row groups as chunks, labels without the pictures, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from litho.errors import DataError
from litho.training.data.stream.formats import parquet
from litho.training.data.stream.formats.base import format_of

from ..conftest import picture, shard_of, write_parquet


def test_a_row_group_is_a_chunk(tmp_path: Path) -> None:
    store, shard = shard_of(write_parquet(tmp_path / "a.parquet", range(150)))
    assert [(chunk.pictures, chunk.first) for chunk in shard.chunks] == [(64, 0), (64, 1), (22, 2)]
    assert all(chunk.size > 1000 for chunk in shard.chunks)
    assert shard.labels == (0, 1, 2)
    assert shard.columns == "image, label, prompt"
    rows = format_of("a.parquet").rows(store, shard, shard.chunks[2])
    assert [row.image for row in rows] == [picture(number) for number in range(128, 150)]
    assert rows[0].where.endswith("/a.parquet row 128")
    assert (rows[0].label, rows[0].caption) == (128 % 3, "number 128")


def test_a_row_group_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MOST_CHUNK_BYTES", 2000)
    with pytest.raises(
        DataError, match=r"a\.parquet has a row group of .*: write it with fewer rows in a group$"
    ):
        shard_of(write_parquet(tmp_path / "a.parquet", range(150)))


def test_a_file_that_is_damaged_or_shorter_than_before_is_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", range(150))
    store, shard = shard_of(path)
    write_parquet(path, range(10))
    with pytest.raises(DataError, match=r"a\.parquet has 1 row groups, and had more; put the file back$"):
        format_of("a.parquet").rows(store, shard, shard.chunks[2])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"a\.parquet cannot be read as parquet"):
        shard_of(path)
