"""Shards of any number of pictures: what they hold, and that a killed run leaves no trace."""

import io
import json
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from litho.errors import LithoError, StorageError, UsageError
from litho.files import sha256
from litho.runners import open_runner
from litho.serving.control.server_control import ServerControl
from litho.serving.generation.shards import MANIFEST_NAME, generate_shards
from litho.serving.server.embedded import EmbeddedServer

from ...streaming import write_model
from ..conftest import assert_same_pictures

pytestmark = pytest.mark.slow

ASKED: dict[str, Any] = {"fields": {"seed": "5", "label": "0-9"}, "count": 450, "per_shard": 100}


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pictures_of(folder: Path) -> tuple[np.ndarray, list[dict[str, Any]]]:
    pictures, values = [], []
    for shard in sorted(folder.glob("*.tar")):
        with tarfile.open(shard) as archive:
            for entry in archive:
                content = archive.extractfile(entry)
                assert content is not None
                if entry.name.endswith(".png"):
                    pictures.append(np.asarray(Image.open(io.BytesIO(content.read()))))
                else:
                    values.append(json.load(content))
    return np.stack(pictures)[..., None], values


@pytest.fixture(scope="module")
def shards(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """450 pictures that nobody interrupted."""
    out = tmp_path_factory.mktemp("shards") / "whole"
    generate_shards(bundle, out=out, **ASKED)
    return out


def test_shards_hold_consecutive_seeds_and_listed_values_in_turn(shards: Path, bundle: Path) -> None:
    pictures, values = pictures_of(shards)
    seeds, labels = np.arange(5, 455), np.arange(450) % 10
    assert [one["seed"] for one in values] == seeds.tolist()
    assert [one["label"] for one in values] == labels.tolist()
    with open_runner(bundle) as runner:
        assert_same_pictures(pictures, runner.generate(seed=seeds, label=labels))


def test_the_manifest_names_every_shard_with_its_hash_and_what_made_it(shards: Path, bundle: Path) -> None:
    manifest = json.loads((shards / MANIFEST_NAME).read_text())
    assert manifest["complete"]
    assert [shard["pictures"] for shard in manifest["shards"]] == [100, 100, 100, 100, 50]
    for shard in manifest["shards"]:
        assert shard["sha256"] == sha256(shards / shard["file"])
        assert shard["size"] == (shards / shard["file"]).stat().st_size
    assert manifest["target"]["kind"] == "bundle"
    assert manifest["target"]["manifest_sha256"] == sha256(bundle / "manifest.json")
    assert manifest["target"]["variant"] == "generator.fp32.onnx"
    assert manifest["fields"] == {"label": list(range(10))}
    assert sorted(files_of(shards)) == [*(f"{number:05d}.tar" for number in range(5)), MANIFEST_NAME]


KILLED = """
import os, signal, sys
from litho.serving.generation import shards

def die_in_the_middle(step, share):
    if step == "making pictures" and share > 0.5:  # of the third shard: two are complete
        os.kill(os.getpid(), signal.SIGKILL)

fields = {"seed": "5", "label": "0-9"}
shards.generate_shards(sys.argv[1], fields, sys.argv[2], count=450, per_shard=100, progress=die_in_the_middle)
"""


def test_a_killed_run_goes_on_to_the_files_of_one_that_nobody_killed(
    shards: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    killed = subprocess.run([sys.executable, "-c", KILLED, bundle, out], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = json.loads((out / MANIFEST_NAME).read_text())
    assert not left["complete"]
    assert {path.name for path in out.glob("*.tar")} == {"00000.tar", "00001.tar"}
    words = ("--seed", "5", "--label", "0-9", "--count", "450", "--per-shard", "100", "--out", out)
    again = subprocess.run(
        [sys.executable, "-m", "litho", "generate", bundle, *words], capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip() == f"450 pictures in 5 shards, listed in {out / MANIFEST_NAME}"
    assert files_of(out) == files_of(shards)


def test_a_finished_run_is_checked_and_a_damaged_shard_made_again(
    shards: Path, bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    generate_shards(bundle, out=out, **ASKED)
    times = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    generate_shards(bundle, out=out, **ASKED)
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")} == times
    damaged = out / "00003.tar"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    (out / "00004.tar").unlink()
    generate_shards(bundle, out=out, **ASKED)
    assert files_of(out) == files_of(shards)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"fields": {"seed": "6", "label": "0-9"}}, "first_seed is 5 there and 6 here"),
        ({"fields": {"seed": "5", "label": "3"}}, r"fields.label is \[0, 1, .* there and \[3\] here"),
        (
            {"fields": {"seed": "5", "label": "0-9", "truncation": "0.5"}},
            r"fields.truncation is nothing there",
        ),
        ({"count": 451}, "count is 450 there and 451 here"),
        ({"per_shard": 99}, "per_shard is 100 there and 99 here"),
        ({"format": "parquet"}, "format is 'webdataset' there and 'parquet' here"),
    ],
)
def test_another_run_is_not_mixed_with_this_one(
    changed: dict[str, Any], words: str, shards: Path, bundle: Path
) -> None:
    before = files_of(shards)
    with pytest.raises(UsageError, match=f"holds shards of another run: {words}"):
        generate_shards(bundle, out=shards, **{**ASKED, **changed})
    assert files_of(shards) == before


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"fields": {"seed": "0-9", "label": "3"}}, "shards take the first seed"),
        ({"fields": {"seed": str(2**63 - 1), "label": "3"}}, "shards take the first seed"),
        ({"fields": {"seed": "5", "label": "10"}}, "label '10' is invalid"),
        ({"fields": {"seed": "5"}}, "'label' is missing"),
        ({"fields": {"seed": "5", "lable": "3"}}, "unknown field 'lable'"),
        ({"count": 0}, "count 0"),
        ({"per_shard": 0}, "per shard 0"),
        ({"count": 10**9, "per_shard": 1}, "put more pictures into a shard"),
        ({"format": "zip"}, "unknown format 'zip'"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_written(
    changed: dict[str, Any], words: str, bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        generate_shards(bundle, out=tmp_path / "out", **{**ASKED, **changed})
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_and_one_that_is_written_to_are_refused(
    bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds 'notes.txt' and no shards"):
        generate_shards(bundle, out=tmp_path, **ASKED)
    refused: list[str] = []

    def meanwhile(step: str, share: float) -> None:
        if not refused:
            with pytest.raises(StorageError, match="another process writes shards") as error:
                generate_shards(bundle, out=tmp_path / "out", **ASKED)
            refused.append(str(error.value))

    generate_shards(bundle, out=tmp_path / "out", progress=meanwhile, **{**ASKED, "count": 10})
    assert refused


def test_a_run_and_an_endpoint_give_the_same_pictures(
    shards: Path, run: Path, server: EmbeddedServer, tmp_path: Path
) -> None:
    few = {**ASKED, "count": 150}
    for name, target in (("run", run), ("endpoint", f"{server.grpc_url}/tiny")):
        manifest = generate_shards(target, out=tmp_path / name, **few)
        assert manifest.target["kind"] == name
        assert_same_pictures(pictures_of(tmp_path / name)[0], pictures_of(shards)[0][:150])


def test_a_model_that_changes_meanwhile_ends_the_run(
    streaming_server: EmbeddedServer, streaming_folder: Path, tmp_path: Path
) -> None:
    loaded = False

    def meanwhile(step: str, share: float) -> None:
        nonlocal loaded
        if not loaded:
            loaded = True
            write_model(streaming_folder, "changing", decoupled=False, parameters={"litho_note": "another"})
            with ServerControl(streaming_server.grpc_url) as control:
                control.load("changing")

    endpoint = f"{streaming_server.grpc_url}/changing"
    with pytest.raises(LithoError, match="serves another model than at the start; 0 shards"):
        generate_shards(endpoint, {}, tmp_path, count=20, per_shard=10, progress=meanwhile)
    assert json.loads((tmp_path / MANIFEST_NAME).read_text())["shards"] == []
