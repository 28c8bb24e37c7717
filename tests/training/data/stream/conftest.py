"""Shards of small pictures, each of which says its number in its pixels."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from litho.object_store import ObjectStore
from litho.training.data.stream.formats.base import format_of
from litho.training.data.stream.shard import Shard


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LITHO_DATA", raising=False)
    monkeypatch.setenv("LITHO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def picture(number: int) -> bytes:
    """A PNG of 4x4 pixels whose colour is the number."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (number % 256, number // 256, 7)).save(buffer, format="PNG")
    return buffer.getvalue()


def numbers_of(images: np.ndarray) -> list[int]:
    """The numbers of pictures, UINT8 of shape (count, 4, 4, 3)."""
    corner = images[:, 0, 0].astype(int)
    return (corner[:, 0] + 256 * corner[:, 1]).tolist()


def write_tar(path: Path | str, files: dict[str, bytes]) -> Path:
    """Write an archive with files in their order."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def labelled(numbers: Iterable[int], classes: int = 3) -> dict[str, bytes]:
    """Files of an archive: pictures with labels and captions as litho's own shards have them."""
    files: dict[str, bytes] = {}
    for number in numbers:
        files[f"{number:09}.png"] = picture(number)
        values: dict[str, Any] = {"seed": number, "label": number % classes, "prompt": f"number {number}"}
        files[f"{number:09}.json"] = json.dumps(values).encode()
    return files


def write_parquet(path: Path | str, numbers: Iterable[int], classes: int = 3, rows: int = 64) -> Path:
    """Write the same pictures as `labelled` into a parquet file."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path, wanted = Path(path), list(numbers)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {
        "image": [{"bytes": picture(number), "path": f"{number}.png"} for number in wanted],
        "label": [number % classes for number in wanted],
        "prompt": [f"number {number}" for number in wanted],
    }
    parquet.write_table(arrow.table(columns), path, row_group_size=rows)
    return path


def shard_of(path: Path, sha256: str | None = None) -> tuple[ObjectStore, Shard]:
    """The store of a file, and its shard with the chunks."""
    store = ObjectStore(f"file://{path.absolute().parent}")
    facts = store.facts(path.name)
    assert facts is not None
    shard = Shard(key=path.name, size=facts.size, tag=facts.tag, sha256=sha256)
    return store, format_of(path.name).indexed(store, shard)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six shards of 100 pictures, `shards/*.tar`."""
    for number in range(6):
        write_tar(tmp_path / f"shards/{number:05}.tar", labelled(range(100 * number, 100 * number + 100)))
    return tmp_path / "shards"


Rewrite = Callable[[Path, bytes], None]


@pytest.fixture
def rewrite() -> Rewrite:
    """Writes a file again, with another time of change."""

    def write(path: Path, content: bytes) -> None:
        import os

        before = path.stat().st_mtime_ns
        path.write_bytes(content)
        os.utime(path, ns=(before + 10**9, before + 10**9))

    return write
