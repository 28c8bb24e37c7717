"""Two and four processes on one global batch: the same training as one process, and a clean end."""

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
from litho.training.run.distributed import local_batch_slice, micro_batches

from ...smallest import smallest_recipe
from .conftest import TRAININGS, unfinished

REPLICATED = [name for name, training in TRAININGS.items() if not training.others]


def two_processes(*words: str) -> subprocess.CompletedProcess[str]:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--", "litho"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *launch, *words], capture_output=True, text=True, env=environment, check=False
    )


def statistics(run: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in lines]


def assert_same_training(alone: Path, together: Path) -> None:
    one, several = statistics(alone), statistics(together)
    assert len(one) == len(several) == 10
    # The same sums in another order: equal to FP32 at first, and then as far apart as Adam takes rounded gradients.
    for number, (expected, shared) in enumerate(zip(one, several, strict=True)):
        assert shared == pytest.approx(expected, rel=1e-5 if number < 5 else 1e-2, abs=1e-5), number


@pytest.mark.slow
@pytest.mark.parametrize("name", REPLICATED)
def test_two_processes_train_as_one_does(by_two: tuple[Path, str], alone: Path, name: str) -> None:
    assert_same_training(alone / name, by_two[0] / name)


@pytest.mark.slow
def test_four_processes_train_as_one_does(by_four: Path, alone: Path) -> None:
    name = "batch normalisation and R1"
    assert_same_training(alone / name, by_four / name)


@pytest.mark.slow
def test_what_two_processes_began_one_can_end(by_two: tuple[Path, str], tmp_path: Path) -> None:
    name = "batch normalisation and R1"
    run = unfinished(by_two[0] / name, tmp_path / "run")
    train(progress=False, **TRAININGS[name].keywords(run))
    weights, again = (load_file(path / "snapshot.safetensors") for path in (by_two[0] / name, run))
    assert all(torch.equal(again[key], weights[key]) for key in weights)


@pytest.mark.slow
def test_processes_with_different_folders_are_refused(by_four: Path) -> None:
    for rank in range(4):
        message = (by_four / f"apart{rank}-error-{rank}").read_text()
        assert "process 1 does not continue the same training as process 0: step is 0, not 10" in message


@pytest.mark.slow
def test_an_alarm_ends_every_process_with_its_line(tmp_path: Path) -> None:
    keys = smallest_recipe(
        "cgan", data="digits", resolution=16, nimg=1024, lr=1e30, discriminator_lr=1e30, stats_nimg=16
    )
    pairs = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
    done = two_processes("train", "cgan-digits", "--budget", "gpu", "--run", str(tmp_path / "run"), *pairs)
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("litho: error: ")]
    assert said
    assert all("training diverged at nimg" in line for line in said)
    assert "SIGABRT" not in done.stderr, done.stderr


def test_shares_of_a_batch_differ_by_one_image_at_most() -> None:
    assert [local_batch_slice(8, number, 2) for number in (0, 1)] == [slice(0, 4), slice(4, 8)]
    assert [local_batch_slice(7, number, 3) for number in range(3)] == [slice(0, 2), slice(2, 4), slice(4, 7)]
    with pytest.raises(UsageError, match=r"batch 3 has fewer images than the 4 processes"):
        local_batch_slice(3, 0, 4)


@pytest.mark.parametrize(("batch", "processes", "most"), [(16, 1, 5), (17, 4, 2), (256, 3, 32), (5, 5, 1)])
def test_parts_of_all_processes_are_the_batch_and_equally_many(batch: int, processes: int, most: int) -> None:
    parts = [micro_batches(batch, number, processes, most) for number in range(processes)]
    assert len({len(own) for own in parts}) == 1
    images = [image for own in parts for part in own for image in range(part.start, part.stop)]
    assert images == list(range(batch))
    assert all(1 <= part.stop - part.start <= most for own in parts for part in own)


def test_parts_without_an_image_are_refused() -> None:
    with pytest.raises(UsageError, match=r"batch 5 on 2 processes cannot be cut into parts of 1 image"):
        micro_batches(5, 0, 2, 1)
