"""The full state of a training, to resume it; a file for this machine's user alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...errors import CheckpointError
from ...files import write_file

__all__ = ["Checkpoint", "read_checkpoint", "write_checkpoint"]

FILE_NAME = "checkpoint/state.pt"
SCHEMA_VERSION = 1


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
    schema_version: int = SCHEMA_VERSION


def write_checkpoint(run: Path, checkpoint: Checkpoint) -> None:
    """Write a run's checkpoint, replacing the previous one."""
    write_file(run / FILE_NAME, lambda path: torch.save(vars(checkpoint), path))


def read_checkpoint(run: Path) -> Checkpoint | None:
    """Read a run's checkpoint onto the CPU; None if it has none.

    Raises:
        CheckpointError: the file is damaged, or was written by a newer litho.
    """
    path = run / FILE_NAME
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        newer = content["schema_version"] > SCHEMA_VERSION
        checkpoint = None if newer else Checkpoint(**content)
    except Exception:  # torch, pickle and zip raise many kinds for a damaged file
        raise CheckpointError(f"{path} is damaged; to train from the start delete {run}") from None
    if checkpoint is None:
        raise CheckpointError(
            f"{path} was written by a newer litho; upgrade with: pip install --upgrade litho"
        )
    return checkpoint
