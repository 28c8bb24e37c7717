"""Parquet files in the hub's layout: columns, splits, configurations, and everything that can be wrong in one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from litho.errors import DataError, UsageError
from litho.training.data.sources import load

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

PICTURE = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])


def write(path: str, features: dict[str, Any] | None = None, **columns: Any) -> None:
    """Write a file; a column is an arrow array or a list of values."""
    table = arrow.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path)


@pytest.fixture
def pictures(paint: Callable[..., bytes]) -> Callable[..., Any]:
    """A column of pictures: pictures(3, first=10) has the greys 10, 11 and 12."""

    def column(count: int, first: int = 0) -> Any:
        values = [{"bytes": paint(first + index), "path": None} for index in range(count)]
        return arrow.array(values, PICTURE)

    return column


Column = Callable[..., Any]


def test_a_file_of_the_hubs_layout_is_read_with_its_class_names(pictures: Column) -> None:
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog", "emu"]}}
    write(
        "pets.parquet", features, image=pictures(3), label=[2, 0, 2], caption=["an emu", None, "emu, again"]
    )
    dataset = load("pets.parquet")
    assert dataset.images[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert dataset.class_names == ("cat", "dog", "emu")
    assert dataset.labels.tolist() == [2, 0, 2]
    assert dataset.captions == ("an emu", "", "emu, again")


def test_other_names_and_types_of_columns_are_understood(
    pictures: Column, paint: Callable[..., bytes]
) -> None:
    features = {"breed": {"_type": "ClassLabel", "names": ["a", "b"]}}
    write(
        "pets.parquet",
        features,
        img=arrow.array([paint(7), paint(8)], arrow.large_binary()),
        breed=arrow.array([1, 0], arrow.int8()),
        text=[["first", "second"], []],
        weight=[0.5, 0.7],
    )
    dataset = load("pets.parquet")
    assert dataset.images[:, 0, 0, 0].tolist() == [7, 8]
    assert dataset.class_names == ("a", "b")
    assert dataset.captions == ("first", "")


@pytest.mark.parametrize("type_", [arrow.string(), arrow.dictionary(arrow.int8(), arrow.string())])
def test_labels_may_be_texts(pictures: Column, type_: Any) -> None:
    write("pets.parquet", image=pictures(3), label=arrow.array(["dog", "cat", "dog"]).cast(type_))
    assert load("pets.parquet").class_names == ("cat", "dog")


def test_source_and_target_are_pairs(pictures: Column) -> None:
    write("pairs.parquet", source=pictures(2), target=pictures(2, first=9))
    dataset = load("pairs.parquet")
    assert dataset.sources[:, 0, 0, 0].tolist() == [0, 1]
    assert dataset.images[:, 0, 0, 0].tolist() == [9, 10]


def test_a_folder_has_splits_in_parts(pictures: Column) -> None:
    write("pets/data/train-00001-of-00002.parquet", image=pictures(2, first=3))
    write("pets/data/train-00000-of-00002.parquet", image=pictures(3))
    write("pets/data/test-00000-of-00001.parquet", image=pictures(4, first=50))
    write("pets/data/validation-00000-of-00001.parquet", image=pictures(1))
    train, test = load("pets").split()
    assert train.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert test.images[:, 0, 0, 0].tolist() == [50, 51, 52, 53]


def test_without_a_test_split_the_validation_split_is_held_out(pictures: Column) -> None:
    write("pets/train.parquet", image=pictures(3))
    write("pets/validation.parquet", image=pictures(2))
    assert len(load("pets").split()[1]) == 2


def test_files_without_a_split_in_their_names_are_one_set(pictures: Column) -> None:
    write("pets/a.parquet", image=pictures(6))
    write("pets/b.parquet", image=pictures(4, first=6))
    dataset = load("pets")
    assert dataset.test is None
    assert dataset.images[:, 0, 0, 0].tolist() == list(range(10))


def test_of_several_configurations_one_has_to_be_named(pictures: Column) -> None:
    write("pets/small/train/0000.parquet", image=pictures(3))
    write("pets/large/train/0000.parquet", image=pictures(5))
    with pytest.raises(UsageError, match="pets has several configurations; name one of them: large, small"):
        load("pets")
    assert len(load("pets/small")) == 3


def test_a_name_is_found_in_the_data_folder(
    pictures: Column, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("shelf/pets/train.parquet", image=pictures(3))
    write("shelf/birds.parquet", image=pictures(2))
    monkeypatch.setenv("LITHO_DATA", str(tmp_path / "shelf"))
    assert load("pets").name == "pets"
    assert len(load("birds.parquet")) == 2


@pytest.mark.parametrize(
    ("columns", "features", "message"),
    [
        (
            {"label": [1, 2]},
            None,
            r"it.parquet has the columns label \(int64\); expected a column of pictures",
        ),
        ({"image": ["a.png", "b.png"]}, None, r"has the columns image \(string\)"),
        ({"a": [b"", b""], "b": [b"", b""]}, None, r"has the columns a \(binary\), b \(binary\)"),
        ({"image": [b"", b""], "label": [0.5, 1.5]}, None, "it.parquet has labels of type double"),
        ({"image": [b"", b""]}, [], "it.parquet has invalid 'huggingface' metadata"),
        ({"image": arrow.array([b"", None])}, None, "it.parquet row 1 has no picture"),
        (
            {"image": arrow.array([{"bytes": None, "path": "/etc/passwd"}] * 2, PICTURE)},
            None,
            "row 0 has no picture",
        ),
        ({"image": arrow.array([], arrow.binary())}, None, "it.parquet has no pictures"),
        ({"image": [b"x", b"y"]}, None, "it.parquet row 0 is damaged or no image"),
    ],
)
def test_what_does_not_fit_is_named(columns: dict[str, Any], features: Any, message: str) -> None:
    write("it.parquet", features, **columns)
    with pytest.raises(DataError, match=message):
        load("it.parquet")


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]])
def test_a_label_without_a_name_is_named_by_its_row(pictures: Column, labels: list[int]) -> None:
    features = {"label": {"_type": "ClassLabel", "names": ["a", "b", "c"]}}
    write("it.parquet", features, image=pictures(2), label=labels)
    with pytest.raises(DataError, match=r"it.parquet row \d has label (3|-1); allowed are 0 to 2"):
        load("it.parquet")


def test_files_that_differ_are_refused(pictures: Column) -> None:
    write("pets/train.parquet", image=pictures(2), label=[0, 1])
    write("pets/test.parquet", image=pictures(2))
    with pytest.raises(
        DataError, match=r"pets/test.parquet has other columns, labels or class names than .*train"
    ):
        load("pets")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet file at all"])
def test_a_file_that_is_no_parquet_is_named(content: bytes) -> None:
    Path("it.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"^it\.parquet cannot be read as parquet") as caught:
        load("it.parquet")
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_named(pictures: Column) -> None:
    write("it.parquet", image=pictures(200))
    content = bytearray(Path("it.parquet").read_bytes())
    content[100:2000] = bytes(1900)
    Path("it.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"^it\.parquet"):
        load("it.parquet")
