"""Where shards are found, which of them train, and a shard that is not there."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from litho.errors import DataError, StorageError, UsageError
from litho.object_store import ObjectStore
from litho.training.data.stream.location import locate

from .conftest import labelled, write_tar

if TYPE_CHECKING:
    from ....conftest import S3


def keys(name: str) -> list[str]:
    return [shard.key for shard in locate(name).train]


def test_a_folder_a_file_and_a_url_are_found(folder: Path) -> None:
    (folder / ".00006.tar.partial-new-1").write_bytes(b"")
    (folder / "notes.txt").write_bytes(b"")
    every = [f"{number:05}.tar" for number in range(6)]
    assert keys("shards") == keys(f"file://{folder}") == keys(str(folder)) == every
    assert keys("shards/00002.tar") == ["00002.tar"]
    assert locate("shards").test == ()


def test_names_of_splits_divide_the_shards(tmp_path: Path) -> None:
    for name in ("train-0", "train-1", "test-0", "validation-0"):
        write_tar(tmp_path / f"set/{name}.tar", labelled(range(3)))
    location = locate("set")
    assert [shard.key for shard in location.train] == ["train-0.tar", "train-1.tar"]
    assert [shard.key for shard in location.test] == ["test-0.tar"]


def test_a_bucket_is_found_with_the_tags_of_its_objects(s3: S3) -> None:
    url = s3.bucket()
    ObjectStore(url).write("a.tar", b"1")
    (before,) = locate(url).train
    ObjectStore(url).write("a.tar", b"2")
    (after,) = locate(url).train
    assert (before.size, before.key) == (after.size, after.key)
    assert before.tag != after.tag
    assert keys(f"{url}/a.tar") == ["a.tar"]


@pytest.mark.slow
def test_a_data_set_of_the_hub_is_found_with_the_hashes_of_its_files(folder: Path) -> None:
    program = """
from litho.training.data.sources import load
from litho.training.data.batches import Share
from litho.training.data.stream.location import locate
dataset = load("stream:hf://datasets/owner/name")
batches = dataset.batches(Share(0, 16, slice(None)))
print(dataset.count, len(batches.at(0).images))
print(*[shard.tag for shard in locate("hf://datasets/owner/name").train])
batches.close()
"""
    command = [sys.executable, Path(__file__).with_name("dataset_hub.py"), folder, program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    counts, *rest = done.stdout.splitlines() or [done.stderr]
    assert counts == "400 16"
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())]
    assert rest == [" ".join(hashes)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "absent",
            r"^data 'absent' is not a file or folder, here or in the folder of LITHO_DATA; give one, or a URL",
        ),
        ("shards/9.tar", r"^data 'shards/9\.tar' is not a file or folder"),
        ("file:///absent/9.tar", r"^'file:///absent/9\.tar' is not there"),
        (
            "empty",
            r"^'empty' has no shards; expected files that end in \.parquet or \.tar, in it or below it$",
        ),
        ("nonsense://a/b", r"^'nonsense://a/b' is not a URL that litho can open"),
    ],
)
def test_a_location_without_shards_is_refused(folder: Path, name: str, message: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(UsageError, match=message):
        locate(name)


def test_a_bucket_that_is_absent_is_one_line(s3: S3) -> None:
    with pytest.raises((UsageError, StorageError), match=r"^('|cannot list )s3://absent-bucket/a"):
        locate("s3://absent-bucket/a")


def test_two_formats_in_one_folder_are_refused(folder: Path) -> None:
    (folder / "a.parquet").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"^'shards' has files of \.parquet and \.tar; give a folder with one"
    ):
        locate("shards")


def test_a_shard_that_the_names_of_others_count_is_missed(tmp_path: Path) -> None:
    for number in (0, 2):
        write_tar(tmp_path / f"set/train-{number:05}-of-00003.tar", labelled(range(3)))
    with pytest.raises(
        DataError, match=r"/train-00001-of-00003\.tar is missing \(the names of the others count it\)"
    ):
        locate("set")
    assert keys("set/train-00002-of-00003.tar") == ["train-00002-of-00003.tar"]


def manifest(
    folder: Path, *, complete: bool = True, size: int | None = None, extra: str | None = None
) -> None:
    files = [path.name for path in sorted(folder.glob("*.tar"))] + ([extra] if extra else [])
    shards = [
        {
            "file": name,
            "size": size or (folder / name).stat().st_size if name != extra else 1,
            "sha256": "a" * 64,
        }
        for name in files
    ]
    document = {"schema_version": 1, "litho_version": "1", "complete": complete, "shards": shards}
    (folder / "manifest.json").write_text(json.dumps(document))


def test_the_manifest_of_generated_shards_gives_their_hashes(folder: Path) -> None:
    manifest(folder)
    assert {shard.identity for shard in locate("shards").train} == {"a" * 64}
    (folder / "manifest.json").write_text('{"name": "somebody else\'s"}')
    assert all(shard.sha256 is None for shard in locate("shards").train)


def test_a_manifest_and_its_shards_must_agree(folder: Path) -> None:
    manifest(folder, extra="00006.tar")
    with pytest.raises(DataError, match=r"/00006\.tar is missing \(the manifest lists it\); put it back$"):
        locate("shards")
    manifest(folder, complete=False)
    with pytest.raises(
        DataError, match=r"holds shards that are still being made \(6 are complete\); finish `litho"
    ):
        locate("shards")
    manifest(folder, size=7)
    with pytest.raises(
        DataError, match=r"/00000\.tar has \d+ bytes and not the 7 of its manifest; copy or make"
    ):
        locate("shards")
