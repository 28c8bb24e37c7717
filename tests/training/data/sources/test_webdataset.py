"""Tar files read into memory."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from litho.errors import DataError, UsageError
from litho.training.data.sources import load


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITHO_CACHE", str(tmp_path / "cache"))


def write(path: str, files: dict[str, bytes]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def test_a_file_and_a_folder_with_splits_are_read(paint: Callable[..., bytes]) -> None:
    files = {f"{number}.{ending}": content for number in range(6) for ending, content in (
        ("png", paint(number)), ("cls", str(number % 2).encode()), ("txt", f"grey {number}".encode())
    )}  # fmt: skip
    write("set/train-0.tar", files)
    write("set/test-0.tar", {"9.png": paint(9), "9.cls": b"1", "9.txt": b"nine"})
    Path("set/README.md").write_text("---\nlicense: mit\n---\n")
    dataset = load("set")
    assert dataset.images[:, 0, 0, 0].tolist() == list(range(6))
    assert dataset.labels.tolist() == [0, 1] * 3
    assert dataset.captions == tuple(f"grey {number}" for number in range(6))
    assert dataset.test is not None
    assert dataset.test.images[0, 0, 0, 0] == 9
    assert (dataset.licence, dataset.class_names, dataset.stream) == ("mit", ("0", "1"), None)
    assert len(load("set/train-0.tar")) == 6


def test_pictures_beside_a_tar_file_are_the_data(paint: Callable[..., bytes]) -> None:
    write("set/copy.tar", {"1.png": paint(1), "2.png": paint(2)})
    assert len(load("set")) == 2
    for number in range(3):
        Path(f"set/{number}.png").write_bytes(paint(number))
    assert len(load("set")) == 3


def test_a_damaged_file_and_an_absent_one_are_named() -> None:
    Path("a.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(DataError, match=r"/a\.tar cannot be read as a tar file"):
        load("a.tar")
    with pytest.raises(UsageError, match=r"^data 'absent\.tar' is not a file or folder"):
        load("absent.tar")
