"""The index of the shards: kept, made again where a shard changed, and equal for all processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from litho.errors import DataError
from litho.training.cache import cache_folder
from litho.training.data.stream.index import FOLDER, indexed
from litho.training.data.stream.location import locate
from litho.training.data.stream.shard import Shard

from .conftest import Rewrite, labelled, write_parquet, write_tar


def index() -> tuple[Shard, ...]:
    location = locate("shards")
    return indexed(location.store, location.train)


def test_the_index_is_kept_and_damage_to_it_only_costs_time(folder: Path) -> None:
    first = index()
    assert [shard.pictures for shard in first] == [100] * 6
    (kept,) = cache_folder(FOLDER).glob("*.json")
    assert index() == first
    kept.write_bytes(b"{")
    assert index() == first
    assert kept.read_bytes() != b"{"


def test_a_shard_that_changed_is_indexed_again(folder: Path, rewrite: Rewrite) -> None:
    first = index()
    other = write_tar(folder.parent / "other.tar", labelled(range(7), classes=9))
    rewrite(folder / "00003.tar", other.read_bytes())
    second = index()
    assert [one for one, two in zip(first, second, strict=True) if one != two] == [first[3]]
    assert second[3].labels == tuple(range(7))


def test_processes_that_come_at_once_have_the_same_index(folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: index(), range(4)))
    assert all(one == found[0] for one in found)


def test_shards_without_pictures_or_with_other_columns_are_named(folder: Path) -> None:
    write_tar(folder / "00006.tar", {})
    with pytest.raises(DataError, match=r"/00006\.tar has no pictures; take it out$"):
        index()
    for path in folder.iterdir():
        path.unlink()
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    first = write_parquet(folder / "a.parquet", range(5))
    parquet.write_table(parquet.read_table(first).drop_columns(["label"]), folder / "b.parquet")
    assert pyarrow is not None
    with pytest.raises(
        DataError, match=r"/b\.parquet has other columns or class names than a\.parquet; all shards"
    ):
        index()
