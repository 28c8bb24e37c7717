"""A pass that is cut: litho loses nothing, whatever others do; and how losses are counted."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from litho.benchmarks.streaming.resumes import _litho, count


def test_lost_and_repeated_pictures_are_counted() -> None:
    found = count("x", ["a", "b"], ["b", "d"], ["a", "b", "c", "d", "e"])
    assert (found.pictures, found.before, found.lost, found.twice) == (5, 2, 2, 1)


def test_litho_loses_none_and_repeats_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITHO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shards").mkdir()
    for first in range(0, 256, 32):
        with tarfile.open(tmp_path / f"shards/{first:05}.tar", "w") as archive:
            for number in range(first, first + 32):
                buffer = io.BytesIO()
                Image.new("L", (4, 4), number).save(buffer, format="PNG")
                entry = tarfile.TarInfo(f"{number}.png")
                entry.size = len(buffer.getvalue())
                archive.addfile(entry, io.BytesIO(buffer.getvalue()))
    found = _litho(tmp_path / "shards", 16, 64)
    assert (found.pictures, found.lost, found.twice) == (192, 0, 0)
    assert found.before == 96
