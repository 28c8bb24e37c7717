"""Tar files of WebDataset: chunks, roles of the files, and everything that can be wrong in one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from litho.errors import DataError
from litho.training.data.stream.formats import webdataset
from litho.training.data.stream.formats.base import format_of

from ..conftest import labelled, picture, shard_of, write_tar


def rows(path: Path) -> list[tuple[str, object, object, int]]:
    store, shard = shard_of(path)
    found = [row for chunk in shard.chunks for row in format_of(path.name).rows(store, shard, chunk)]
    return [(row.where, row.label, row.caption, len(row.image)) for row in found]


def test_chunks_are_read_by_themselves_and_hold_all_pictures_in_order(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", labelled(range(600)))
    store, shard = shard_of(path)
    assert [chunk.pictures for chunk in shard.chunks] == [256, 256, 88]
    assert sum(chunk.size for chunk in shard.chunks) <= shard.size
    assert shard.labels == (0, 1, 2)
    reader = format_of("a.tar")
    found = [row for chunk in reversed(shard.chunks) for row in reader.rows(store, shard, chunk)]
    assert {row.image for row in found} == {picture(number) for number in range(600)}
    assert found[0].where.endswith("/a.tar 000000512")
    assert (found[0].label, found[0].caption) == (512 % 3, "number 512")


def test_a_chunk_has_a_limit_in_bytes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webdataset, "CHUNK_BYTES", 20_000)
    _, shard = shard_of(write_tar(tmp_path / "a.tar", labelled(range(100))))
    assert len(shard.chunks) > 5
    assert all(chunk.size <= 20_000 for chunk in shard.chunks)


def test_files_of_other_writers_are_understood(tmp_path: Path) -> None:
    files = {
        "train/b.x/1.JPG": picture(1), "train/b.x/1.cls": b"7\n", "train/b.x/1.txt": b"ein Bild",
        "train/b.x/2.png": picture(2), "train/b.x/2.cls": b"cat", "train/b.x/2.json": b'{"text": "two"}',
        "train/b.x/3.png": picture(3), "train/b.x/3.npy": b"?",
    }  # fmt: skip
    assert [row[1:3] for row in rows(write_tar(tmp_path / "a.tar", files))] == [
        (7, "ein Bild"),
        ("cat", "two"),
        (None, None),
    ]


def test_pairs_have_a_source_and_a_target(tmp_path: Path) -> None:
    files = {"1.source.png": picture(1), "1.target.png": picture(2)}
    store, shard = shard_of(write_tar(tmp_path / "a.tar", files))
    (row,) = format_of("a.tar").rows(store, shard, shard.chunks[0])
    assert (row.source, row.image) == (picture(1), picture(2))
    assert shard.columns == "pairs"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"1.txt": b"a"}, r"a\.tar 1 has the files txt; expected one image, or source and target$"),
        ({"1.source.png": b"a"}, r"a\.tar 1 has the files source\.png; expected one image"),
        ({"1.png": b"", "1.json": b"{"}, r"a\.tar 1 cannot be read \(.*\); replace it or take it out$"),
        ({"1.png": b"", "1.json": b"[]"}, r"its JSON is no object"),
        (
            {"1.png": b"", "1.json": b'{"label": [1]}'},
            r"a\.tar 1 has label \[1\]; expected a whole number or",
        ),
        ({"1.png": b"", "1.json": b'{"label": true}'}, r"has label True; expected a whole number"),
        ({"1.png": b"", "1.json": b'{"text": 1}'}, r"a\.tar 1 has a caption that is no text: 1$"),
        ({"1.png": b"", "1.txt": b"\xff"}, r"a\.tar 1 cannot be read \('utf-8'"),
        (
            {"1.png": b"", "1.txt": bytes(2 << 20)},
            r"a\.tar has 2\.00 MiB in 1\.txt; at most 1 MiB is allowed$",
        ),
        ({"1.png": b"", "2.source.png": b"", "2.target.png": b""}, r"mixes pairs and single pictures"),
    ],
)
def test_what_a_picture_cannot_be_is_named(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(DataError, match=message):
        shard_of(write_tar(tmp_path / "a.tar", files))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda content: content[:100_000],
            r"a\.tar (is cut short, by \d+ bytes|cannot be read as a tar file)",
        ),
        (lambda content: b"\1" * 512 + content, r"a\.tar cannot be read as a tar file \("),
        (
            lambda content: content[:102_400] + b"\1" * 512 + content[102_912:],
            r"a\.tar cannot be read as a tar file \(damaged at byte 102400\)",
        ),
        (lambda content: b"\x1f\x8b" + content, r"a\.tar cannot be read as a tar file"),
    ],
)
def test_a_damaged_archive_is_named(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    path = write_tar(tmp_path / "a.tar", labelled(range(100)))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        shard_of(path)


def test_a_chunk_with_another_number_of_pictures_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", labelled(range(10)))
    store, shard = shard_of(path)
    chunk = shard.chunks[0].model_copy(update={"pictures": 9})
    with pytest.raises(DataError, match=r"a\.tar has 10 pictures where 9 were; put the file back$"):
        format_of("a.tar").rows(store, shard, chunk)


def test_the_hash_of_a_manifest_is_compared(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", labelled(range(10)))
    with pytest.raises(
        DataError, match=r"a\.tar has another content than its manifest says; copy or make it"
    ):
        shard_of(path, "0" * 64)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves its file open
def test_webdatasets_own_reader_has_the_same_pictures(tmp_path: Path) -> None:
    library = pytest.importorskip("webdataset")
    path = write_tar(tmp_path / "a.tar", labelled(range(40)))
    theirs = list(library.WebDataset(str(path), shardshuffle=False))
    store, shard = shard_of(path)
    ours = format_of("a.tar").rows(store, shard, shard.chunks[0])
    assert [one["png"] for one in theirs] == [row.image for row in ours]
    assert [json.loads(one["json"])["label"] for one in theirs] == [row.label for row in ours]


def test_samples_yields_the_byte_behind_each_picture(tmp_path: Path) -> None:
    content = write_tar(tmp_path / "a.tar", labelled(range(3))).read_bytes()
    ends = [end for _, end in webdataset.samples(io.BytesIO(content), "a", images=False)]
    assert ends == sorted(ends)
    assert not content[ends[-1] :].strip(b"\0")
