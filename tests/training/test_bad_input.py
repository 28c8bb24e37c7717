"""Data that does not fit, as `train` meets it: trained by the written rule, or refused before anything is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from litho.errors import CheckpointError, DataError, LithoError, UsageError
from litho.training.run.snapshot import load_snapshot

Train = Callable[..., Path]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LITHO_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def put(path: str, mode: str = "RGB", size: tuple[int, int] = (16, 16), colour: Any = 0) -> None:
    file = Path("photos") / path
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(file)


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
        (fine, "dcgan-digits", {"resolution": 5000}, UsageError, "'resolution' was given '5000': .*4096"),
        (
            fine,
            "dcgan-digits",
            {"batch": 1},
            UsageError,
            "'batch' was given '1': .*greater than or equal to 2",
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


def test_a_resume_on_other_pictures_of_the_same_name_is_refused(tiny_train: Train) -> None:
    fine()
    run = tiny_train(Path("run"), "dcgan-digits", data="photos", nimg=64)
    (run / "snapshot.json").unlink()
    put("a.png", colour=(1, 2, 3))
    put("b.png", colour=(1, 2, 3))
    with pytest.raises(
        CheckpointError, match="was trained on other images than 'photos' has now; give anoth"
    ):
        tiny_train(run, "dcgan-digits", data="photos", nimg=64)
