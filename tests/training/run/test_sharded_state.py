"""Checkpoints of sharded tensors: read by any number of processes, with and without shards, or named when damaged."""

from pathlib import Path

import pytest
import torch

from litho.errors import CheckpointError
from litho.training.run.checkpoint import read_checkpoint
from litho.training.run.distributed import ALONE
from litho.training.run.sharded_state import forget_other_folders, write_shards

from .conftest import unfinished
from .test_sharding import assert_equal_weights


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flow", "killed"])
def test_four_processes_continue_what_two_began(by_two: tuple[Path, str], by_four: Path, name: str) -> None:
    # The last checkpoint is that of the last step: all that is left to do is to write the same snapshot.
    assert_equal_weights(by_two[0] / name, by_four / f"{name} continued")


@pytest.mark.slow
def test_one_process_reads_the_state_whole(by_two: tuple[Path, str], tmp_path: Path) -> None:
    run = unfinished(by_two[0] / "sharded flow", tmp_path / "run")
    shards, replicas = read_checkpoint(run), read_checkpoint(by_two[0] / "flow")
    assert shards is not None
    assert replicas is not None
    assert (shards.schema_version, replicas.schema_version) == (2, 1)
    assert shards.task.keys() == replicas.task.keys()
    shapes = [[value.shape for value in state.average.values()] for state in (shards, replicas)]
    assert shapes[0] == shapes[1]
    (folder,) = (run / "checkpoint").glob("shards-*")
    assert folder.name == shards.shards
    first = next(folder.glob("*.distcp"))
    first.write_bytes(first.read_bytes()[:100])
    with pytest.raises(
        CheckpointError, match=r"shards-0000000010 is missing or damaged; to train from the start"
    ):
        read_checkpoint(run)


def test_a_state_without_shards_is_passed_on(tmp_path: Path) -> None:
    state = {"a": [torch.ones(2), 3], "b": ("text", None)}
    kept, folder = write_shards(tmp_path, state, 5, ALONE)
    assert folder is None
    assert kept["b"] == state["b"]
    assert torch.equal(kept["a"][0], torch.ones(2))
    assert not list(tmp_path.iterdir())


def test_only_the_folder_of_the_checkpoint_stays(tmp_path: Path) -> None:
    for name in ("shards-1", "shards-2", "other"):
        (tmp_path / name).mkdir()
    forget_other_folders(tmp_path, "shards-2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "shards-2"]
