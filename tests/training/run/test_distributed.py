"""Two processes on one global batch: the same training as one process, and a clean end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from litho.errors import UsageError
from litho.training.loop import train
from litho.training.presets import resolve
from litho.training.run.distributed import local_batch_slice

from ...smallest import smallest_recipe

TEN_STEPS = {
    "data": "digits",
    "resolution": 16,
    "nimg": 160,
    "ema_half_life_nimg": None,
    "stats_nimg": 16,
    "checkpoint_nimg": 64,
}

FAMILIES = [
    pytest.param("vae-mnist", {}, id="no normalisation"),
    pytest.param("cgan-digits", {}, id="batch normalisation"),
    pytest.param(
        "gan-mnist",
        {
            # A pairwise loss leaves the mean of all logits open: Adam would divide its rounding by itself.
            "loss": "non-saturating",
            "augment": "colour,cutout",
            "augment_target": "0.5",
            "clip_norm": "1",
        },
        id="augmentation and clipping",
    ),
]


def two_processes(*words: str) -> subprocess.CompletedProcess[str]:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--", "litho"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *launch, *words], capture_output=True, text=True, env=environment, check=False
    )


def command(preset: str, run: Path, keys: dict[str, str]) -> list[str]:
    pairs = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
    return ["train", preset, "--budget", "gpu", "--run", str(run), *pairs]


def statistics(run: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "keys"), FAMILIES)
def test_two_processes_train_as_one_does(tmp_path: Path, preset: str, keys: dict[str, str]) -> None:
    keys = smallest_recipe(resolve(preset).family, **TEN_STEPS, **keys)
    done = two_processes(*command(preset, tmp_path / "two", keys))
    assert done.returncode == 0, done.stderr
    train(preset, run=tmp_path / "one", overrides=keys, progress=False)
    one, two = statistics(tmp_path / "one"), statistics(tmp_path / "two")
    assert len(one) == len(two) == 10
    # The same sums in another order: equal to FP32 at first, and then as far apart as Adam takes rounded gradients.
    for number, (alone, shared) in enumerate(zip(one, two, strict=True)):
        assert shared == pytest.approx(alone, rel=1e-5 if number < 5 else 1e-2, abs=1e-5), number


@pytest.mark.slow
def test_what_two_processes_began_one_can_end(tmp_path: Path) -> None:
    keys = smallest_recipe("cgan", **TEN_STEPS)
    done = two_processes(*command("cgan-digits", tmp_path / "two", keys))
    assert done.returncode == 0, done.stderr
    weights = load_file(tmp_path / "two/snapshot.safetensors")
    (tmp_path / "two/snapshot.json").unlink()
    train("cgan-digits", run=tmp_path / "two", overrides=keys, progress=False)
    again = load_file(tmp_path / "two/snapshot.safetensors")
    assert all(torch.equal(again[name], weights[name]) for name in weights)


@pytest.mark.slow
def test_an_alarm_ends_every_process_with_its_line(tmp_path: Path) -> None:
    keys = smallest_recipe("cgan", **{**TEN_STEPS, "nimg": 1024, "lr": 1e30, "discriminator_lr": 1e30})
    done = two_processes(*command("cgan-digits", tmp_path / "run", keys))
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("litho: error: ")]
    assert said
    assert all("training diverged at nimg" in line for line in said)
    assert "SIGABRT" not in done.stderr, done.stderr


def test_a_batch_that_processes_cannot_share_is_refused() -> None:
    assert [local_batch_slice(8, number, 2) for number in (0, 1)] == [slice(0, 4), slice(4, 8)]
    with pytest.raises(UsageError, match=r"batch 9 is not a multiple of 2 processes"):
        local_batch_slice(9, 0, 2)
