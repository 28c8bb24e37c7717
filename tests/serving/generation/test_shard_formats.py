"""Shards as the libraries read them that they are made for."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.errors import UnknownName
from litho.serving.generation.shard_formats import FORMATS, key_of, open_shard, plain_values, shard_name
from litho.signature import Signature
from litho.signature.fields import Field, Role, seed_field

SIGNATURE = Signature(
    inputs=(
        seed_field(),
        Field(name="prompt", role=Role.PROMPT, dtype="BYTES"),
        Field(name="truncation", role=Role.TRUNCATION, dtype="FP32", minimum=0, maximum=1, default=1),
        Field(name="condition", role=Role.CONDITION, dtype="FP32", shape=(3,)),
    ),
    output=Field(name="image", role=Role.IMAGE, dtype="UINT8", shape=(6, 5, 3), minimum=0, maximum=255),
)
ROWS = 300
PICTURES = np.random.default_rng(0).integers(0, 256, (ROWS, 6, 5, 3), dtype=np.uint8)
INPUTS: dict[str, Any] = {
    "seed": np.arange(ROWS) + 2**62,
    "prompt": np.array(["ein größerer Kreis"] * ROWS, object),
    "truncation": np.full(ROWS, 0.5, np.float32),
    "condition": np.zeros((ROWS, 3), np.float32),
}


def write(path: Path, format: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = open_shard(format, path, SIGNATURE)
    for row, picture in enumerate(PICTURES):
        writer.add(key_of(row), picture, plain_values(SIGNATURE, INPUTS, row))
    writer.close()
    return path


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_pictures_give_the_same_bytes(format: str, tmp_path: Path) -> None:
    once, again = (write(tmp_path / name, format) for name in ("once", "again"))
    assert once.read_bytes() == again.read_bytes()


def test_a_tar_shard_has_a_picture_and_its_fields_under_one_key_without_time_or_owner(tmp_path: Path) -> None:
    with tarfile.open(write(tmp_path / "00000.tar", "webdataset")) as archive:
        entries = archive.getmembers()
        assert [entry.name for entry in entries[:4]] == [
            "000000000.png",
            "000000000.json",
            "000000001.png",
            "000000001.json",
        ]
        assert {(entry.mtime, entry.uid, entry.gid, entry.uname) for entry in entries} == {(0, 0, 0, "")}
        content = archive.extractfile("000000002.json")
        assert content is not None
        assert json.load(content) == {
            "seed": 2**62 + 2,
            "prompt": "ein größerer Kreis",
            "truncation": 0.5,
        }


def test_names_of_shards() -> None:
    assert shard_name("webdataset", 7, 20) == "00007.tar"
    assert shard_name("parquet", 7, 20) == "data/train-00007-of-00020.parquet"


def test_an_unknown_format_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown format 'webdatasets'; did you mean 'webdataset'"):
        open_shard("webdatasets", tmp_path / "x", SIGNATURE)


READER = """
import hashlib, json, sys, webdataset
samples = webdataset.WebDataset(sys.argv[1], shardshuffle=False).decode("rgb8").to_tuple("__key__", "png", "json")
print(json.dumps([[key, hashlib.sha256(image.tobytes()).hexdigest(), values] for key, image, values in samples]))
"""
"""Reads a tar shard with the webdataset package, which leaves its files open."""


@pytest.mark.slow
def test_the_webdataset_package_reads_a_tar_shard(tmp_path: Path) -> None:
    if find_spec("webdataset") is None:
        pytest.skip("webdataset is not installed")
    path = write(tmp_path / "00000.tar", "webdataset")
    done = subprocess.run([sys.executable, "-c", READER, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    samples = json.loads(done.stdout)
    assert len(samples) == ROWS
    for row, (key, digest, values) in enumerate(samples):
        assert key == f"{row:09d}"
        assert digest == hashlib.sha256(PICTURES[row].tobytes()).hexdigest()
        assert values["seed"] == 2**62 + row


@pytest.mark.slow
def test_pyarrow_reads_a_parquet_shard_and_the_features_of_a_hugging_face_data_set(tmp_path: Path) -> None:
    import pyarrow.parquet
    from PIL import Image

    file = pyarrow.parquet.ParquetFile(write(tmp_path / "data" / "train.parquet", "parquet"))
    assert file.num_row_groups == 2
    features = json.loads(file.schema_arrow.metadata[b"huggingface"])["info"]["features"]
    assert features == {
        "image": {"_type": "Image"},
        "seed": {"dtype": "int64", "_type": "Value"},
        "prompt": {"dtype": "string", "_type": "Value"},
        "truncation": {"dtype": "float32", "_type": "Value"},
    }
    rows = file.read().to_pylist()
    assert len(rows) == ROWS
    for row, values in enumerate(rows):
        np.testing.assert_array_equal(
            np.asarray(Image.open(io.BytesIO(values["image"]["bytes"]))), PICTURES[row]
        )
        assert values["image"]["path"] == f"{row:09d}.png"
        assert (values["seed"], values["prompt"]) == (2**62 + row, "ein größerer Kreis")
