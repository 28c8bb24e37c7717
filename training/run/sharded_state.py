"""The sharded tensors of a checkpoint: each process writes its own, and any number of processes reads them.

They lie beside `state.pt` in a folder of torch's distributed checkpoints, one folder a checkpoint. `state.pt` names
the folder and is written last, so that a training killed while it saves still has the checkpoint before.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import CheckpointError
from .distributed import Process
from .sharding import cut, sharded

__all__ = ["cut_state", "forget_other_folders", "read_shards", "write_shards"]

PREFIX = "shards-"
MARK = "in_shards"
"""Key of the small dictionary that stands for a tensor of the folder."""


def write_shards(folder: Path, state: Any, step: int, process: Process) -> tuple[Any, str | None]:
    """Write the sharded tensors of a state; every process must call it.

    Args:
        folder: of the run's checkpoint.
        state: dictionaries, lists and tuples of numbers, texts and tensors.
        step: number of the step, which names the new folder.
        process: this one.

    Returns:
        The state with a small dictionary instead of each sharded tensor, and the folder's name; None if no tensor is
        sharded.
    """
    tensors: dict[str, Tensor] = {}

    def take(value: Tensor, name: str) -> Any:
        if not sharded(value):
            return value
        tensors[name] = value.detach()
        return {MARK: name, "shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}

    state = _map(state, take)
    if not tensors:
        return state, None
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_saver import save

    name = f"{PREFIX}{step:010}"
    if process.is_main:
        # Of a process that was killed while it saved the same step.
        shutil.rmtree(folder / name, ignore_errors=True)
    process.wait_for_all()
    try:
        save(tensors, checkpoint_id=folder / name)
    except CheckpointException as error:  # no Exception; it holds that of each process, such as a full disk
        raise next(failure for failure, _ in error.failures.values()) from None
    return state, name


def read_shards(folder: Path, name: str, state: Any, mesh: Any = None) -> Any:
    """Put the tensors of a folder back into a state.

    Args:
        folder: of the run's checkpoint.
        name: of the folder with the tensors.
        state: result of `write_shards`, of any number of processes.
        mesh: of the processes over which the tensors are cut again; None for whole tensors.

    Raises:
        CheckpointError: the folder is missing or damaged.
    """
    tensors: dict[str, Tensor] = {}

    def make(value: dict[str, Any]) -> Tensor:
        shape, dtype = value["shape"], getattr(torch, value["dtype"])
        if mesh is None:
            tensors[value[MARK]] = torch.empty(shape, dtype=dtype)
        else:
            from torch.distributed.tensor import Shard, zeros

            tensors[value[MARK]] = zeros(shape, dtype=dtype, device_mesh=mesh, placements=[Shard(0)])
        return tensors[value[MARK]]

    state = _map(state, lambda value, name: value, make)
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_loader import load

    try:
        with warnings.catch_warnings():
            # "assuming the intent is to load in a single process": it is.
            warnings.simplefilter("ignore", UserWarning)
            load(tensors, checkpoint_id=folder / name, no_dist=mesh is None)
    except (
        Exception,
        CheckpointException,
    ) as error:  # torch, pickle and the file system raise many kinds for a damaged folder
        if mesh is not None and isinstance(error, torch.distributed.DistError):
            raise
        raise CheckpointError(
            f"{folder / name} is missing or damaged; to train from the start delete {folder.parent}"
        ) from None
    return state


def cut_state(state: Any, mesh: Any) -> Any:
    """Cut all tensors of a state that are still whole, such as those of a training without shards."""
    return _map(state, lambda value, name: cut(value, mesh))


def forget_other_folders(folder: Path, name: str | None) -> None:
    """Remove the folders of all other checkpoints, after `state.pt` was written."""
    for other in folder.glob(f"{PREFIX}*"):
        if other.name != name:
            shutil.rmtree(other, ignore_errors=True)


def _map(
    value: Any,
    of_tensor: Callable[[Tensor, str], Any],
    of_mark: Callable[[dict[str, Any]], Any] | None = None,
    name: str = "",
) -> Any:
    """The same dictionaries, lists and tuples with other tensors."""
    if isinstance(value, Tensor):
        return of_tensor(value, name)
    if isinstance(value, dict):
        if of_mark is not None and MARK in value:
            return of_mark(value)
        return {key: _map(item, of_tensor, of_mark, f"{name}/{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(
            _map(item, of_tensor, of_mark, f"{name}/{number}") for number, item in enumerate(value)
        )
    return value
