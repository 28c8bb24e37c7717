"""Folders of images: classes, splits, metadata with captions or pairs, and everything that can be wrong in one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from litho.errors import DataError, LithoError, UsageError
from litho.training.data.sources import load
from litho.training.run.snapshot import load_snapshot

from ...conftest import Train

Fill = Callable[..., None]


@pytest.fixture
def fill(tmp_path: Path, paint: Callable[..., bytes]) -> Fill:
    """Writes pictures at paths below `cats`: fill("a/1.png", "a/2.png"); the n-th has grey n."""

    def filled(*paths: str) -> None:
        for number, path in enumerate(paths):
            file = tmp_path / "cats" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(paint(number))

    return filled


def describe(*lines: Any) -> None:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    Path("cats/metadata.jsonl").write_text(text)


def test_class_folders_name_the_labels_in_order(fill: Fill) -> None:
    fill("tabby/1.png", "siamese/sub/9.png", "tabby/0.PNG", "siamese/1.png")
    dataset = load("cats")
    assert dataset.name == "cats"
    assert dataset.class_names == ("siamese", "tabby")
    assert dataset.labels.tolist() == [0, 0, 1, 1]
    assert dataset.images[:, 0, 0, 0].tolist() == [3, 1, 2, 0]  # by sorted path


def test_images_beside_each_other_have_no_labels(fill: Fill) -> None:
    fill("b.png", "a.png")
    dataset = load("./cats")
    assert dataset.labels is None
    assert dataset.captions is None
    assert dataset.images[:, 0, 0, 0].tolist() == [1, 0]


@pytest.mark.parametrize(("held_out", "expected"), [(("test", "val"), 2), (("validation",), 3), ((), None)])
def test_folders_named_as_splits_are_splits(
    fill: Fill, held_out: tuple[str, ...], expected: int | None
) -> None:
    sizes = {"train": 4, "test": 2, "val": 3, "validation": 3}
    fill(
        *(
            f"{split}/{kind}/{i}.png"
            for split in ("train", *held_out)
            for kind in "ab"
            for i in range(sizes[split])
        )
    )
    dataset = load("cats")
    assert dataset.class_names == ("a", "b")
    assert len(dataset) == 8
    assert (dataset.test and len(dataset.test)) == (expected and 2 * expected)


def test_a_class_may_be_called_like_a_split(fill: Fill) -> None:
    fill("train/1.png", "car/2.png", "train_station/3.png")
    assert load("cats").class_names == ("car", "train", "train_station")
    fill("test/1.png")
    assert load("cats").class_names == ("car", "test", "train", "train_station")


def test_metadata_gives_captions_and_labels(fill: Fill) -> None:
    fill("1.png", "deep/2.png", "3.png")
    describe(
        {"file_name": "deep/2.png", "text": "ein Kätzchen", "label": "small"},
        "",
        {"file_name": "1.png", "caption": "ネコ", "label": "large"},
    )
    dataset = load("cats")
    assert dataset.captions == ("ein Kätzchen", "ネコ")
    assert dataset.class_names == ("large", "small")
    assert dataset.labels.tolist() == [1, 0]
    assert dataset.images[:, 0, 0, 0].tolist() == [1, 0]


def test_metadata_gives_pairs(fill: Fill) -> None:
    fill("from/1.png", "from/2.png", "to/1.png", "to/2.png")
    describe(*({"source_file_name": f"from/{i}.png", "target_file_name": f"to/{i}.png"} for i in (1, 2)))
    dataset = load("cats")
    assert dataset.sources[:, 0, 0, 0].tolist() == [0, 1]
    assert dataset.images[:, 0, 0, 0].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"cats/metadata.jsonl line 2 is not JSON"),
        ("7", r"line 2 is not an object"),
        ({"text": "a cat"}, r"line 2 has file_name None; expected the path of an image below cats"),
        ({"file_name": "../1.png"}, r"line 2: path '../1.png' leaves cats"),
        ({"file_name": "/etc/passwd"}, r"line 2: path '/etc/passwd' leaves cats"),
        ({"file_name": "gone.png"}, r"line 2 names cats/gone.png, which does not exist"),
        ({"file_name": "1.png", "text": 7}, r"line 2 has caption 7"),
        ({"file_name": "1.png", "label": True}, r"line 2 has label True"),
        ({"file_name": "1.png", "label": [1]}, r"line 2 has label \[1\]"),
        ({"target_file_name": "1.png"}, r"line 2 has source_file_name None"),
        ({"target_file_name": "1.png", "source_file_name": "1.png"}, r"mixes pairs and single pictures"),
    ],
)
def test_a_wrong_line_of_metadata_is_named(fill: Fill, line: Any, message: str) -> None:
    fill("1.png")
    describe({"file_name": "1.png"}, line)
    with pytest.raises(DataError, match=message):
        load("cats")


def test_metadata_that_is_no_utf_8_is_named(fill: Fill) -> None:
    fill("1.png")
    Path("cats/metadata.jsonl").write_bytes(b'{"file_name": "1.png", "text": "\xff"}')
    with pytest.raises(DataError, match="line 1 is not JSON"):
        load("cats")


def test_an_empty_folder_and_one_without_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cats" / "tabby").mkdir(parents=True)
    with pytest.raises(DataError, match=r"folder cats has no images; allowed are \.png, \.jpg, .* \.parquet"):
        load("cats")
    (tmp_path / "cats" / "notes.txt").write_text("none yet")
    with pytest.raises(DataError, match="folder cats has no images"):
        load("cats")


def test_images_beside_class_folders_are_refused(fill: Fill) -> None:
    fill("tabby/1.png", "lost.png")
    with pytest.raises(DataError, match=r"cats/lost.png is beside folders of images"):
        load("cats")


def test_a_damaged_image_is_named(fill: Fill, tmp_path: Path) -> None:
    fill("a/1.png", "b/1.png")
    (tmp_path / "cats/b/2.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(DataError, match=r"^cats/b/2\.jpg "):
        load("cats")


def test_other_files_are_left_out_and_counted_but_not_hidden_ones(fill: Fill, tmp_path: Path) -> None:
    fill("a/1.png", "b/1.png")
    for name in ("a/notes.txt", "b/thumbs.db", "README.md", ".DS_Store", "a/._1.png"):
        (tmp_path / "cats" / name).write_bytes(b"x")
    dataset = load("cats")
    assert len(dataset) == 2
    assert dataset.notes == ("2 files of cats are not images and were skipped, such as a/notes.txt",)


def test_one_class_folder_is_an_unlabelled_set(fill: Fill) -> None:
    fill("tabby/1.png", "tabby/2.png")
    dataset = load("cats")
    assert dataset.labels is None
    assert dataset.notes == ("cats has the single class 'tabby' and is treated as unlabelled",)


def test_the_card_gives_the_licence(fill: Fill, tmp_path: Path) -> None:
    fill("1.png", "2.png")
    assert load("cats").licence == "unknown"
    (tmp_path / "cats" / "README.md").write_text("---\nlicense: cc0-1.0\n---\n")
    assert load("cats").licence == "cc0-1.0"


def put(path: str, mode: str = "RGB", size: tuple[int, int] = (16, 16), colour: Any = 0) -> None:
    file = Path("photos") / path
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(file)


@pytest.mark.slow
def test_few_pictures_of_every_size_and_mode_are_trained(tiny_train: Train) -> None:
    put("1.png", "RGB", (40, 17), (200, 0, 0))
    put("2.jpg", "CMYK", (16, 16), (0, 255, 0, 0))
    put("3.png", "I;16", (300, 900), 40_000)
    put("4.png", "RGBA", (9, 30), (0, 0, 200, 100))
    run = tiny_train(Path("run"), "dcgan-digits", data="photos", resolution=16, nimg=64)
    info = load_snapshot(run).info
    assert info.data is not None
    # One of the four is held out, and a batch has sixteen.
    assert (info.data.count, info.signature.output.shape) == (3, (16, 16, 3))


def no_pictures() -> None:
    Path("photos").mkdir()


def damaged() -> None:
    put("1.png")
    put("2.png")
    Path("photos/2.png").write_bytes(Path("photos/1.png").read_bytes()[:-30])


def one_class() -> None:
    for name in "abc":
        put(f"cats/{name}.png")


def mixed_sizes() -> None:
    put("1.png")
    put("2.png", size=(17, 17))


def alone() -> None:
    put("1.png")


def fine() -> None:
    for name in "abc":
        put(f"{name}.png")


@pytest.mark.parametrize(
    ("make", "preset", "keys", "error", "message"),
    [
        (no_pictures, "dcgan-digits", {}, DataError, "folder photos has no images; allowed are"),
        (damaged, "dcgan-digits", {}, DataError, r"photos/2\.png cannot be read"),
        (one_class, "cgan-digits", {}, UsageError, "'photos' has no labels; family 'cgan' needs them: take"),
        (
            mixed_sizes,
            "dcgan-digits",
            {},
            DataError,
            r"2\.png is 17x17 .* but photos/1\.png is 16x16; give a resolution",
        ),
        (alone, "dcgan-digits", {}, DataError, "one picture"),
        (
            fine,
            "dcgan-digits",
            {"resolution": 36},
            UsageError,
            "resolution 36 is not allowed; expected 4, 5, 6 or 7 times",
        ),
        (
            fine,
            "dcgan-digits",
            {"resolution": 5000},
            UsageError,
            "'resolution' was given '5000'; expected at most 4096",
        ),
        (
            fine,
            "dcgan-digits",
            {"batch": 1},
            UsageError,
            "'batch' was given '1'; expected at least 2",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_said_in_one_line_before_anything_is_written(
    tiny_train: Train,
    make: Callable[[], None],
    preset: str,
    keys: dict[str, Any],
    error: type[LithoError],
    message: str,
) -> None:
    make()
    with pytest.raises(error, match=message) as caught:
        tiny_train(Path("run"), preset, data="photos", **keys)
    assert "\n" not in str(caught.value)
    assert not Path("run").exists()
