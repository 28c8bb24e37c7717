"""The full state of a training, to resume it; a file for this machine's user alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ...errors import CheckpointError, chain
from ...files import write_file
from .distributed import ALONE, Process
from .sharded_state import cut_state, forget_other_folders, read_shards, write_shards

__all__ = ["Checkpoint", "read_checkpoint", "write_checkpoint"]

FILE_NAME = "checkpoint/state.pt"
SCHEMA_VERSION, SCHEMA_VERSION_WITH_SHARDS = 1, 2


@dataclass(frozen=True)
class Checkpoint:
    """The state after a whole number of steps.

    Args:
        step: number of finished steps.
        data_sha256: of the training data.
        task: state dict of the task, with all networks.
        average: state dict of the averaged generator.
        optimisers: name of each optimizer -> its state dict.
        statistics: name -> sum and number of the values since the last line of statistics.
        scalers: name of each optimizer -> state of its FP16 loss scaler.
        selection: the best weights so far.
        signs: sign of divergence or collapse -> images seen when it appeared.
        shards: name of the folder that holds the sharded tensors; None if there are none.
    """

    step: int
    data_sha256: str
    task: dict[str, Any]
    average: dict[str, Any]
    optimisers: dict[str, dict[str, Any]]
    statistics: dict[str, tuple[float, int]]
    scalers: dict[str, dict[str, Any]] = field(default_factory=dict)
    selection: dict[str, Any] = field(default_factory=dict)
    signs: dict[str, int] = field(default_factory=dict)
    shards: str | None = None
    schema_version: int = SCHEMA_VERSION


WITH_TENSORS = ("task", "average", "optimisers", "selection")


def write_checkpoint(run: Path, checkpoint: Checkpoint, process: Process = ALONE) -> None:
    """Write a run's checkpoint, replacing the previous one; every process must call it."""
    folder = (run / FILE_NAME).parent
    state = {name: getattr(checkpoint, name) for name in WITH_TENSORS}
    state, shards = write_shards(folder, state, checkpoint.step, process)
    version = SCHEMA_VERSION if shards is None else SCHEMA_VERSION_WITH_SHARDS
    content = vars(replace(checkpoint, **state, shards=shards, schema_version=version))
    if shards is None:
        del content["shards"]  # which earlier versions of litho do not know
    if process.is_main:
        write_file(run / FILE_NAME, lambda path: _save(content, path))
        forget_other_folders(folder, shards)


def _save(content: dict[str, Any], path: Path) -> None:
    try:
        with path.open("wb") as file:
            torch.save(content, file)
    except RuntimeError as error:  # torch hides that the disk is full
        raise next((cause for cause in chain(error) if isinstance(cause, OSError)), error) from None


def read_checkpoint(run: Path, mesh: Any = None) -> Checkpoint | None:
    """Read a run's checkpoint onto the CPU; None if it has none.

    Args:
        run: the run's directory.
        mesh: of the processes over which sharded tensors are cut again, with any number of processes; None reads
            them whole. Every process of the mesh must call it.

    Raises:
        CheckpointError: the file is damaged, or was written by a newer litho.
    """
    path = run / FILE_NAME
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        newer = content["schema_version"] > SCHEMA_VERSION_WITH_SHARDS
        checkpoint = None if newer else Checkpoint(**content)
    except Exception:  # torch, pickle and zip raise many kinds for a damaged file
        raise CheckpointError(f"{path} is damaged; to train from the start delete {run}") from None
    if checkpoint is None:
        raise CheckpointError(
            f"{path} was written by a newer litho; upgrade with: pip install --upgrade litho"
        )
    if checkpoint.shards is not None:
        state = {name: getattr(checkpoint, name) for name in WITH_TENSORS}
        checkpoint = replace(checkpoint, **read_shards(path.parent, checkpoint.shards, state, mesh))
    if mesh is not None:
        state = {name: getattr(checkpoint, name) for name in WITH_TENSORS}
        checkpoint = replace(checkpoint, **cut_state(state, mesh))
    return checkpoint
