"""Folders and object storage: a file is there as a whole or not at all, and one run writes at a time."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from litho.errors import StorageError, UsageError
from litho.object_store import ObjectStore
from litho.serving.generation.destinations import Destination, Folder, Url, destination_of
from litho.serving.generation.shard_manifest import Shard

from .test_shard_manifest import EMPTY

if TYPE_CHECKING:
    from ..conftest import S3


@pytest.fixture(params=["folder", "s3"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    out = tmp_path / "out" if request.param == "folder" else request.getfixturevalue("s3").bucket()
    return destination_of(out)


def content_of(destination: Destination, file: str) -> bytes | None:
    if isinstance(destination, Url):
        return ObjectStore(destination.name).read(file)
    path = Path(destination.name) / file
    return path.read_bytes() if path.exists() else None


def test_what_ended_workers_left_is_swept_and_nothing_else(
    destination: Destination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    killed = (
        "import os, sys; from litho.serving.generation.destinations import destination_of\n"
        "destination_of(sys.argv[1]).add('0.tar', lambda path: path.write_bytes(b'half') and os._exit(9))"
    )
    with destination.locked():
        environment = {**os.environ, "TMPDIR": str(scratch)}
        done = subprocess.run([sys.executable, "-c", killed, destination.name], env=environment)
        assert done.returncode == 9
        folder = scratch if isinstance(destination, Url) else Path(destination.name)
        (folder / ".notes").write_text("mine")
        (folder / "litho-shard-of-mine").mkdir()

        def sweep(path: Path) -> None:
            destination.sweep()  # while another file is being written
            path.write_bytes(b"1")

        destination.add("1.tar", sweep)
        left = {path.name for path in folder.iterdir()}
        assert left - {"1.tar"} == {".notes", "litho-shard-of-mine"}


def test_a_url_with_file_is_a_folder(tmp_path: Path) -> None:
    assert isinstance(destination_of(f"file://{tmp_path}"), Folder)
    assert isinstance(destination_of("s3://bucket/prefix"), Url)
    assert isinstance(destination_of(tmp_path), Folder)
    for nothing in ("", "file://"):
        with pytest.raises(UsageError, match="names no folder"):
            destination_of(nothing)


def test_a_file_is_added_whole_and_the_same_twice_is_no_fault(destination: Destination) -> None:
    destination.check()
    travelled: Destination = pickle.loads(pickle.dumps(destination))  # as to a worker
    with destination.locked() as keep:
        keep()
        for content in (b"1", b"1", b"22"):  # the last is what an earlier try with other software left
            size, digest = travelled.add(
                "data/a.tar", lambda path, content=content: path.write_bytes(content)
            )
            assert (size, digest) == (len(content), hashlib.sha256(content).hexdigest())
            assert content_of(destination, "data/a.tar") == content

        def broken(path: Path) -> None:
            path.write_bytes(b"half")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            travelled.add("b.tar", broken)
        assert content_of(destination, "b.tar") is None
        shards = [
            Shard(file=file, first=0, pictures=1, size=2, sha256=digest) for file in ("data/a.tar", "b.tar")
        ]
        assert destination.has(shards, lambda number: None) == [True, False]
        assert destination.shows(shards[0])


def test_an_object_that_was_written_again_is_read_and_compared(s3: S3) -> None:
    first = destination_of(s3.bucket())
    shards = []
    with first.locked():
        for number in range(3):
            content = str(number).encode()
            size, digest = first.add(f"{number}.tar", lambda path, content=content: path.write_bytes(content))
            shards.append(Shard(file=f"{number}.tar", first=number, pictures=1, size=size, sha256=digest))
            assert first.shows(shards[-1])
        first.write(EMPTY)
    store = ObjectStore(first.name)
    assert set(json.loads(store.read(".tags.json") or b"")) == {"0.tar", "1.tar", "2.tar"}
    store.write("1.tar", b"!")  # of the same size
    again = destination_of(first.name)
    with again.locked():
        assert again.read() == EMPTY
        assert again.has(shards, lambda number: None) == [True, False, True]
        again.write(EMPTY)  # of the shard that is missing, no tag stays
    assert set(json.loads(store.read(".tags.json") or b"")) == {"0.tar", "2.tar"}
    # A copy elsewhere may have other tags and the same content; notes that are damaged say nothing.
    store.write(
        ".tags.json", json.dumps({one.file: [one.sha256, "of another store"] for one in shards}).encode()
    )
    assert destination_of(first.name).has(shards, lambda number: None) == [True, False, True]
    for damaged in (b"[1]", b"{", b'{"0.tar": 7}'):
        store.write(".tags.json", damaged)
        assert destination_of(first.name).has(shards, lambda number: None) == [True, True, True]


def test_the_manifest_is_read_back_and_another_writer_is_noticed(destination: Destination) -> None:
    with destination.locked():
        assert destination.read() is None
        destination.write(EMPTY)
        assert destination.read() == EMPTY
        destination.write(EMPTY.model_copy(update={"complete": True}))
        if isinstance(destination, Url):
            ObjectStore(destination.name).write("manifest.json", b"another's")
            with pytest.raises(StorageError, match="another process has written"):
                destination.write(EMPTY)


def test_one_run_writes_at_a_time_and_other_files_are_refused(destination: Destination) -> None:
    with (
        destination.locked(),
        pytest.raises((UsageError, StorageError), match=r"another process writes|is writing"),
        destination_of(destination.name).locked(),
    ):
        pass
    with destination.locked():
        destination.add("notes.txt", lambda path: path.write_text("mine"))
        with pytest.raises(UsageError, match=r"holds 'notes.txt' and no shards"):
            destination.read()


def test_a_folder_that_others_do_not_see_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litho.serving.generation.destinations._SHARED_SECONDS", 0.1)
    absent = Shard(file="00000.tar", first=0, pictures=1, size=2, sha256="0" * 64)
    assert not destination_of(tmp_path).shows(absent)


def test_a_file_where_the_folder_should_be_and_wrong_credentials_are_refused_in_one_line(
    tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file is not a folder"):
        destination_of(tmp_path / "file").check()
    url = s3.bucket()
    with s3.authenticated(), pytest.raises(StorageError) as refused:
        destination_of(url).check()
    assert json.dumps(str(refused.value)).count("\\n") == 0
    with (
        pytest.raises(StorageError, match=r"does not exist"),
        destination_of("s3://absent-bucket/x").locked(),
    ):
        pass
