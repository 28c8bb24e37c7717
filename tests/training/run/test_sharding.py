"""Sharded training of the flow: as one process trains it, with any other number of processes, and after a kill."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from litho.errors import UsageError
from litho.training.presets import resolve
from litho.training.run.distributed import Process
from litho.training.run.sharding import check_shardable, sharded, whole

from .test_distributed import assert_same_training, statistics

TWO = Process(torch.device("cpu"), 0, 2)


def assert_equal_weights(one: Path, other: Path) -> None:
    first, second = (load_file(run / "snapshot.safetensors") for run in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sharded flow", "sharded flow in parts"])
def test_shards_of_two_processes_train_as_one_process_does(
    by_two: tuple[Path, str], alone: Path, name: str
) -> None:
    assert_same_training(alone / "flow", by_two[0] / name)


@pytest.mark.slow
def test_shards_of_four_processes_train_as_one_process_does(by_four: Path, alone: Path) -> None:
    assert_same_training(alone / "flow", by_four / "sharded flow")


@pytest.mark.slow
def test_a_killed_process_costs_the_steps_since_the_checkpoint_and_nothing_else(
    by_two: tuple[Path, str],
) -> None:
    folder, said = by_two
    assert "another process of this training ended or cannot be reached; run the same command again" in said
    assert statistics(folder / "killed") == statistics(folder / "sharded flow")
    assert_equal_weights(folder / "killed", folder / "sharded flow")


@pytest.mark.parametrize(
    ("preset", "process", "keys", "message"),
    [
        ("cgan-digits", TWO, {}, "family 'cgan' cannot be sharded, only flow"),
        ("flow-shapes", Process(torch.device("cpu")), {}, "--parallel fsdp needs several processes"),
        ("flow-shapes", TWO, {"precision": "fp16"}, "precision=fp16 cannot be sharded"),
    ],
)
def test_what_cannot_be_sharded_is_refused(
    preset: str, process: Process, keys: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check_shardable(resolve(preset, overrides=keys), process)


def test_tensors_of_one_process_are_whole() -> None:
    tensor = torch.ones(2)
    assert not sharded(tensor)
    assert whole({"a": tensor})["a"] is tensor
    assert whole({"a": tensor}, keep=False) == {}
