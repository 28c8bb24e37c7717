"""`stream:` as the value of --data: names, and a training that is killed and resumed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from litho.errors import CheckpointError, UsageError
from litho.training.data.dataset import Dataset
from litho.training.data.sources import find_source, load
from litho.training.data.sources.stream import Source
from litho.training.loop import train

from ....smallest import smallest_recipe

KILLED = """
import os, signal, sys
from pathlib import Path
from litho.training.data.stream import reader
from litho.training.loop import train

runs, overrides, step = sys.argv[1].split(","), eval(sys.argv[2]), int(sys.argv[3])

def killed(self, number, original=reader.StreamBatches.at):
    if number == step:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, number)

reader.StreamBatches.at = killed
for run in runs:
    train("cgan-digits", run=Path(run), data="stream:shards", overrides=overrides, progress=False)
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITHO_CACHE", str(tmp_path / "cache"))


def write_shards(digits: Dataset, count: int = 300) -> None:
    """Digits as the shards that `litho generate --count` writes."""
    Path("shards").mkdir()
    assert digits.labels is not None
    for first in range(0, count, 60):
        with tarfile.open(f"shards/{first // 60:05}.tar", "w") as archive:
            for number in range(first, first + 60):
                buffer = io.BytesIO()
                Image.fromarray(digits.images[number, :, :, 0]).save(buffer, format="PNG")
                values = json.dumps({"seed": number, "label": int(digits.labels[number])}).encode()
                for name, content in ((f"{number}.png", buffer.getvalue()), (f"{number}.json", values)):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))


def test_the_prefix_makes_a_stream() -> None:
    assert isinstance(find_source("stream:anything"), Source)
    with pytest.raises(
        UsageError, match=r"^data 'stream:' names no location; give stream:FOLDER or stream:s3://"
    ):
        load("stream:")
    with pytest.raises(UsageError, match=r"^data 'absent' is not a file or folder"):
        load("stream:absent")


def test_a_stream_has_the_pictures_that_the_shards_were_made_of() -> None:
    digits = load("digits")
    write_shards(digits)
    dataset = load("stream:shards")
    assert (dataset.picture, dataset.class_names) == ((32, 32, 1), digits.class_names)
    known = {image.tobytes() for image in digits.images[:300]}
    assert {image.tobytes() for image in dataset.images} <= known
    assert np.unique(dataset.labels).tolist() == list(range(10))


@pytest.mark.slow
def test_a_training_on_a_stream_that_was_killed_ends_with_the_same_weights() -> None:
    write_shards(load("digits"))
    keys = smallest_recipe("cgan", data=None, nimg=128, stats_nimg=48, sample_nimg=128, checkpoint_nimg=48)
    command = [sys.executable, "-c", KILLED, "killed", repr(keys), "5"]
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not Path("killed/snapshot.json").exists()
    # In a process like the first: the tests before this one may have left this process with other settings.
    command = [sys.executable, "-c", KILLED, "killed,whole", repr(keys), "-1"]
    subprocess.run(command, timeout=300, check=True)
    first, second = (load_file(f"{run}/snapshot.safetensors") for run in ("killed", "whole"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert json.loads(Path("whole/snapshot.json").read_text())["data"]["count"] == 240

    Path("whole/snapshot.json").unlink()
    os.utime("shards/00002.tar", (1, 1))
    with pytest.raises(
        CheckpointError, match=r"/00002\.tar has changed since whole was started; put the data back"
    ):
        train("cgan-digits", run="whole", data="stream:shards", overrides=keys, progress=False)
