"""A stream as a dataset: what it holds, what is held out, and shards that go missing, change or are damaged."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from litho.errors import CheckpointError, DataError, StorageError, UsageError
from litho.object_store import ObjectStore
from litho.training.data.batches import Batch, PictureStream, Share
from litho.training.data.dataset import Dataset
from litho.training.data.pixels import to_pixels
from litho.training.data.sources import load
from litho.training.data.stream import pictures

from .conftest import Rewrite, labelled, numbers_of, picture, write_parquet, write_tar

if TYPE_CHECKING:
    from ....conftest import S3

WHOLE = Share(1, 16, slice(None), shuffle_nimg=128)


def batches_of(dataset: Dataset, steps: int, share: Share = WHOLE) -> list[Batch]:
    batches = dataset.split()[0].batches(share)
    try:
        return [batches.at(step) for step in range(steps)]
    finally:
        batches.close()


def numbers(dataset: Dataset, steps: int, share: Share = WHOLE) -> list[int]:
    return [
        number
        for batch in batches_of(dataset, steps, share)
        for number in numbers_of(to_pixels(batch.images).numpy())
    ]


def stream_of(dataset: Dataset) -> PictureStream:
    assert dataset.stream is not None
    return dataset.stream


def test_a_pass_has_every_training_picture_once_and_none_that_is_held_out(folder: Path) -> None:
    dataset = load("stream:shards")
    assert dataset.test is not None
    assert (dataset.count, len(dataset), len(dataset.test)) == (400, 400, 200), (
        "shards of one chunk are held out whole"
    )
    used = numbers(dataset, dataset.count // 16)
    assert sorted(used) == sorted(numbers_of(dataset.images))
    assert set(used).isdisjoint(numbers_of(dataset.test.images))
    assert used != sorted(used)
    assert dataset.notes == ("400 training pictures in 4 shards; figures are measured on a sample of 400",)


def test_labels_and_captions_belong_to_their_pictures(folder: Path) -> None:
    dataset = load("stream:shards")
    assert dataset.class_names == ("0", "1", "2")
    for batch in batches_of(dataset, 30):
        found = numbers_of(to_pixels(batch.images).numpy())
        assert batch.labels is not None
        assert batch.labels.tolist() == [number % 3 for number in found]
        assert batch.captions == tuple(f"number {number}" for number in found)


def test_four_processes_have_the_batch_of_one(folder: Path) -> None:
    dataset = load("stream:shards")
    whole = numbers(dataset, 8)
    shares = [
        numbers(dataset, 8, Share(1, 16, slice(4 * rank, 4 * rank + 4), shuffle_nimg=128))
        for rank in range(4)
    ]
    assert np.array(shares).reshape(4, 8, 4).swapaxes(0, 1).ravel().tolist() == whole


def test_parquet_and_object_storage_give_what_tar_files_on_disk_give(s3: S3, tmp_path: Path) -> None:
    url, store = s3.bucket(), None
    for number in range(5):
        rows = range(64 * number, 64 * number + 64)
        tar = write_tar(tmp_path / f"tar/{number}.tar", labelled(rows))
        write_parquet(tmp_path / f"parquet/{number}.parquet", rows)
        store = ObjectStore(url)
        store.write(f"{number}.tar", tar.read_bytes())
    tar, parquet, bucket = (numbers(load(f"stream:{name}"), 24) for name in ("tar", "parquet", url))
    assert tar == parquet == bucket


def test_credentials_that_run_out_stop_the_training_in_one_line(s3: S3, folder: Path) -> None:
    url = s3.bucket()
    for path in folder.iterdir():
        ObjectStore(url).write(path.name, path.read_bytes())
    dataset = load(f"stream:{url}")
    message = r"^cannot read s3://.*/0000\d\.tar: permission denied \(.*\); check the credentials"
    with s3.authenticated(), pytest.raises(StorageError, match=message):
        batches_of(dataset, 1)


def test_a_test_split_is_used_as_it_is(tmp_path: Path) -> None:
    write_tar(tmp_path / "set/train.tar", labelled(range(50)))
    write_tar(tmp_path / "set/test.tar", labelled(range(900, 910)))
    dataset = load("stream:set")
    assert dataset.test is not None
    assert dataset.count == 50
    assert numbers_of(dataset.test.images) == list(range(900, 910))


def test_the_hash_follows_the_shards(folder: Path, rewrite: Rewrite) -> None:
    first = load("stream:shards").sha256()
    assert load("stream:shards").sha256() == first
    rewrite(folder / "00001.tar", (folder / "00001.tar").read_bytes())
    assert load("stream:shards").sha256() != first


def test_shards_that_name_no_classes_are_unlabelled_and_mixtures_are_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "set/a.tar", labelled(range(40), classes=1))
    write_tar(tmp_path / "set/b.tar", labelled(range(40, 80), classes=1))
    dataset = load("stream:set")
    assert dataset.labels is None
    assert "stream:set has the single class 0 and is treated as unlabelled" in dataset.notes
    assert batches_of(dataset, 1)[0].labels is None
    write_tar(tmp_path / "set/b.tar", {"1.png": picture(1)})
    with pytest.raises(
        DataError, match=r"^b\.tar of stream:set has pictures without a label; label all pictures or"
    ):
        load("stream:set")


def test_a_set_of_one_chunk_needs_no_stream(tmp_path: Path) -> None:
    write_tar(tmp_path / "set/a.tar", labelled(range(40)))
    with pytest.raises(
        DataError, match=r"^stream:set has 40 pictures in one chunk, which needs no stream; give the"
    ):
        load("stream:set")


def test_a_window_that_does_not_fit_is_refused_before_it_is_read(folder: Path) -> None:
    dataset = load("stream:shards", memory_bytes=100_000)
    with pytest.raises(
        UsageError, match=r"^shuffle_nimg=128 needs .* of memory, more than the limit of .*--set shuf"
    ):
        dataset.batches(WHOLE)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), r"/0000\d\.tar is missing; put it back and run the same command again$"),
        (
            lambda path: path.write_bytes(path.read_bytes() + b"x"),
            r"/0000\d\.tar was changed while it was used",
        ),
        (
            lambda path: path.write_bytes(b""),
            r"/0000\d\.tar was changed while it was used; put it back and run",
        ),
    ],
)
def test_a_shard_that_goes_missing_or_changes_stops_the_training(
    folder: Path, damage: Callable[[Path], None], message: str
) -> None:
    dataset = load("stream:shards")
    for path in folder.iterdir():
        damage(path)
    with pytest.raises(DataError, match=message):
        batches_of(dataset, 1)


def test_a_damaged_picture_is_named(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"IDAT", b"IDxT"))
    with pytest.raises(DataError, match=r"/0000\d\.tar \d{9} (cannot be read|is damaged or no image)"):
        load("stream:shards")


@pytest.mark.parametrize(
    ("mode", "side", "message"),
    [
        ("RGB", 4, r"/[a-d]\.tar 0001 is in colour but those of the sample are grey; make all of one kind$"),
        ("L", 5, r"/[a-d]\.tar 0001 is 5x5 after the crop to a square but others are 4x4; give a resolution"),
    ],
)
def test_a_picture_unlike_the_sample_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, side: int, message: str
) -> None:
    def painted(mode: str, side: int) -> bytes:
        buffer = io.BytesIO()
        Image.new(mode, (side, side), 3).save(buffer, format="PNG")
        return buffer.getvalue()

    monkeypatch.setattr(pictures, "SAMPLE", 9)  # numbers 0, 20 and 39 of each shard
    for shard in "abcd":
        files = {f"{number:04}.png": painted("L", 4) for number in range(40)}
        write_tar(tmp_path / f"set/{shard}.tar", {**files, "0001.png": painted(mode, side)})
    dataset = load("stream:set")
    assert len(dataset) == 9
    with pytest.raises(DataError, match=message):
        batches_of(dataset, dataset.count // 16 + 1)


def test_a_run_remembers_its_shards(folder: Path, tmp_path: Path, rewrite: Rewrite) -> None:
    run = tmp_path / "run"
    run.mkdir()

    def check() -> None:
        stream_of(load("stream:shards")).check_unchanged(run)

    check()
    check()
    assert set(json.loads((run / "shards.json").read_text())["shards"]) == {f"{n:05}.tar" for n in range(6)}
    content = (folder / "00003.tar").read_bytes()
    rewrite(folder / "00003.tar", content)
    with pytest.raises(
        CheckpointError, match=r"/00003\.tar has changed since .*run was started; put the data back"
    ):
        check()
    (folder / "00003.tar").unlink()
    with pytest.raises(CheckpointError, match=r"/00003\.tar is missing since "):
        check()
    (run / "shards.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"shards\.json is not JSON"):
        check()


def test_pairs_are_streamed(tmp_path: Path) -> None:
    for shard in range(4):
        files: dict[str, bytes] = {}
        for number in range(20 * shard, 20 * shard + 20):
            files |= {f"{number}.source.png": picture(number), f"{number}.target.png": picture(number + 1000)}
        write_tar(tmp_path / f"pairs/{shard}.tar", files)
    for batch in batches_of(load("stream:pairs"), 5):
        assert batch.sources is not None
        sources, targets = (numbers_of(to_pixels(images).numpy()) for images in (batch.sources, batch.images))
        assert targets == [number + 1000 for number in sources]
        assert batch.labels is None
        assert isinstance(batch.images, torch.Tensor)
