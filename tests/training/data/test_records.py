"""Rows become one dataset: sizes and colours alike, labels numbered, captions checked, memory and order kept."""

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from litho.errors import DataError
from litho.training.data.dataset import Dataset
from litho.training.data.options import Options
from litho.training.data.records import Record, Records, assemble


def picture(value: int = 0, *, width: int = 4, height: int = 4, mode: str = "L") -> bytes:
    colour = value if mode == "L" else (value, 0, 0)
    buffer = io.BytesIO()
    Image.new(mode, (width, height), colour).save(buffer, format="PNG")
    return buffer.getvalue()


def rows(count: int = 3, **columns: Sequence[Any]) -> Records:
    columns.setdefault("image", [picture(index % 256) for index in range(count)])
    given = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return Records("set", len(given), [Record(f"set row {i}", **row) for i, row in enumerate(given)])


def read(train: Records, test: Records | None = None, options: Options | None = None, **more: Any) -> Dataset:
    parts = [train] if test is None else [train, test]
    return assemble("cats", parts, options or Options(), **more)


@pytest.mark.slow
@given(st.integers(2, 700))
def test_pictures_keep_the_order_of_their_rows(count: int) -> None:
    dataset = read(rows(count))
    assert (dataset.images[:, 0, 0, 0] == np.arange(count) % 256).all()


def test_what_a_source_holds_out_is_the_test_split() -> None:
    dataset = read(rows(3, label=["b", "a", "b"]), rows(2, label=["a", "b"]), licence="mit")
    train, test = dataset.split()
    assert (len(train), len(test), test.test, train.test) == (3, 2, None, None)
    assert dataset.licence == test.licence == "mit"
    assert dataset.class_names == test.class_names == ("a", "b")
    assert (train.labels.tolist(), test.labels.tolist()) == ([1, 0, 1], [0, 1])
    assert dataset.sha256() != train.sha256()


def test_without_one_a_fifth_is_held_out_and_at_least_one_picture() -> None:
    train, test = read(rows(10)).split()
    assert (len(train), len(test)) == (8, 2)
    train, test = read(rows(2)).split()
    assert (len(train), len(test)) == (1, 1)


def test_one_coloured_picture_makes_the_whole_set_rgb() -> None:
    mixed = rows(image=[picture(7), picture(9, mode="RGB"), picture(8)])
    train, test = read(mixed, rows(2)).split()
    assert train.picture == test.picture == (4, 4, 3)
    assert train.images[:, 0, 0].tolist() == [[7, 7, 7], [9, 0, 0], [8, 8, 8]]
    assert read(mixed, options=Options(channels=1)).picture == (4, 4, 1)
    assert read(rows(3), options=Options(channels=3)).picture == (4, 4, 3)


def test_mixed_sizes_need_a_resolution() -> None:
    mixed = rows(image=[picture(), picture(width=9, height=6)])
    with pytest.raises(
        DataError,
        match=r"set row 1 is 6x6 after the crop to a square but set row 0 is 4x4; give a resolution",
    ):
        read(mixed)
    assert read(mixed, options=Options(resolution=5)).picture == (5, 5, 1)
    with pytest.raises(DataError, match="give a resolution"):
        read(rows(2), rows(image=[picture(width=5, height=5)]))


def test_pairs_keep_their_sources() -> None:
    pairs = rows(image=[picture(1), picture(2)], source=[picture(3, mode="RGB"), picture(4)])
    dataset = read(pairs)
    assert dataset.sources is not None
    assert dataset.sources[:, 0, 0].tolist() == [[3, 0, 0], [4, 4, 4]]
    batch = dataset.batch(np.array([1]))
    assert batch.sources is not None
    assert ((batch.sources + 1) * 127.5).round().flatten(2)[0, :, 0].tolist() == [4, 4, 4]
    with pytest.raises(DataError, match="set mixes pairs and single pictures"):
        read(rows(image=[picture(1), picture(2)], source=[picture(3), None]))


def test_numbered_labels_without_names_are_named_by_their_numbers() -> None:
    dataset = read(rows(3, label=[2, 0, 2]))
    assert dataset.class_names == ("0", "1", "2")
    assert dataset.labels.tolist() == [2, 0, 2]
    assert dataset.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([0, 1, 2], ("a", "b"), "set row 2 has label 2; allowed are 0 to 1"),
        ([0, -1, 1], ("a", "b"), "set row 1 has label -1; allowed are 0 to 1"),
        ([-1, -1, -1], ("a", "b"), "set row 0 has label -1; allowed are 0 to 1"),
        ([0, -1, 1], (), "set row 1 has label -1; allowed are 0 to 1"),
        ([0, 10**12, 1], (), "set has label 1000000000000; allowed are 0 to 65535"),
        (["a", "c", "b"], ("a", "b"), "set row 1 has label 'c'; allowed are a, b"),
        (["a", 1, "b"], (), "set mixes text and number labels, such as 'a' and 1"),
        ([0, None, 1], (), "set row 1 has no label but others have"),
    ],
)
def test_labels_that_do_not_fit_are_named(labels: list[Any], names: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(rows(3, label=labels), class_names=names)


def test_a_test_label_that_was_never_trained_on_is_named() -> None:
    with pytest.raises(DataError, match="set row 0 has label 'c'; allowed are a, b"):
        read(rows(2, label=["a", "b"]), rows(1, label=["c"]))


@pytest.mark.parametrize(("labels", "names"), [([1, 1, 1], ("a", "b")), (["b", "b", "b"], ())])
def test_a_set_of_one_class_is_unlabelled_and_says_so(labels: list[Any], names: tuple[str, ...]) -> None:
    dataset = read(rows(3, label=labels), class_names=names)
    assert dataset.labels is None
    assert dataset.class_names == ()
    assert dataset.notes == ("set has the single class 'b' and is treated as unlabelled",)


def test_captions_of_any_script_are_kept_and_missing_ones_counted() -> None:
    said = ["猫 🐈 قطة", None, " a cat\n"]
    dataset = read(rows(3, caption=said))
    assert dataset.captions == ("猫 🐈 قطة", "", "a cat")
    assert dataset.notes == ("1 of 3 pictures of set have no caption",)
    assert dataset.batch(np.array([2, 0])).captions == ("a cat", "猫 🐈 قطة")
    assert dataset.sha256() != read(rows(3)).sha256()
    assert read(rows(3, caption=[None, "", " "])).captions is None


def test_a_caption_that_is_no_text_is_named() -> None:
    with pytest.raises(DataError, match=r"set row 1 has a caption that is not valid Unicode: 'a\\ud800'"):
        read(rows(2, caption=["a", "a\ud800"]))


@pytest.mark.slow
def test_more_pictures_than_fit_are_refused_at_the_first_one() -> None:
    many, taken = rows(image=[picture()] * 100_000), []
    watched = replace(many, rows=(taken.append(row) or row for row in many.rows))
    with pytest.raises(
        DataError,
        match=r"set: 100000 pictures of 4x4x1 take 1.53 MiB decoded, more than the limit of 1.00 MiB",
    ):
        read(watched, options=Options(memory_bytes=1 << 20))
    assert len(taken) < many.count


@pytest.mark.parametrize(("count", "message"), [(0, "set has no pictures"), (1, "set has one picture")])
def test_too_few_pictures_are_refused(count: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(Records("set", count, [Record("set row 0", picture())][:count]))


@pytest.mark.parametrize("said", [3, 5])
def test_rows_that_are_not_as_many_as_was_said_are_refused(said: int) -> None:
    given = rows(4)
    with pytest.raises(DataError, match=f"set declares {said} pictures but has another number"):
        read(Records("set", said, given.rows))


def test_one_picture_is_enough_where_the_test_split_is_given() -> None:
    assert [len(part) for part in read(rows(1), rows(1)).split()] == [1, 1]


def test_a_damaged_picture_among_many_is_named() -> None:
    with pytest.raises(DataError, match=r"^set row 500 "):
        read(rows(image=[*[picture()] * 500, b"?", *[picture()] * 500]))
