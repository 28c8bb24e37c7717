"""Data-parallel training under `torchrun`: devices, shares of the batch, averaged gradients and batch norms.

Networks are not wrapped. Each process trains on its share of the global batch, gradients are averaged before every
optimizer step, and batch normalisation computes its statistics over all shares: the same global batch gives the same
training for any number of processes, up to the order in which floats are added. A share may be cut further into parts,
one forward pass each (`micro_batches`); shares and parts are weighted by their images.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...errors import TrainingError, UsageError
from .rendezvous import fresh_store

__all__ = [
    "ALONE",
    "Layout",
    "Parallel",
    "Process",
    "check_agreement",
    "gradient_averaging",
    "join_process_group",
    "leave_process_group",
    "local_batch_slice",
    "lost_process",
    "mean_over_processes",
    "micro_batches",
    "synchronise_batch_norm",
]


Parallel = Literal["ddp", "fsdp"]


@dataclass(frozen=True)
class Layout:
    """How a training is spread over processes and forward passes; it does not decide the weights.

    Args:
        parallel: "ddp": every process has all weights; "fsdp": a share of each (`sharding`).
        micro_batch: most images of one forward pass of a process; 0 for its whole share of the batch.
    """

    parallel: Parallel = "ddp"
    micro_batch: int = 0


@dataclass(frozen=True)
class Process:
    """This process among those that train together.

    Args:
        device: that it trains on.
        rank: its number, from 0; process 0 writes the run.
        count: number of processes.
    """

    device: torch.device
    rank: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    def wait_for_all(self) -> None:
        """Return once every process has called this."""
        if self.count > 1:
            distributed.barrier()


ALONE = Process(torch.device("cpu"))
"""The only process of a training, on the CPU."""


def join_process_group() -> Process:
    """Join the processes that `torchrun` started, as its environment variables describe them.

    Each process uses the accelerator of its local rank, or the CPU if there is none. Without `torchrun` there is one
    process.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    device = torch.device("cpu")
    if accelerator is not None:
        device = torch.device(accelerator.type, int(os.environ.get("LOCAL_RANK", "0")) if count > 1 else 0)
        torch.accelerator.set_device_index(device.index)
    if count == 1:
        return Process(device)
    if not distributed.is_initialized():
        store, rank, count = fresh_store()
        distributed.init_process_group(store=store, rank=rank, world_size=count)
    return Process(device, distributed.get_rank(), count)


def local_batch_slice(batch: int, process: int, processes: int) -> slice:
    """The images of a global batch that belong to one process; shares differ by at most one image.

    Raises:
        UsageError: there are fewer images than processes.
    """
    if batch < processes:
        raise UsageError(
            f"batch {batch} has fewer images than the {processes} processes; start fewer, or --set batch=..."
        )
    return slice(batch * process // processes, batch * (process + 1) // processes)


def micro_batches(batch: int, process: int, processes: int, most: int = 0) -> list[slice]:
    """The parts of a process's share, each for one forward pass; every process has the same number of them.

    Args:
        batch: images of the global batch.
        process, processes: number of this process, from 0, and of all.
        most: images of a part; 0 for the whole share.

    Raises:
        UsageError: a part would be empty, or there are fewer images than processes.
    """
    share = local_batch_slice(batch, process, processes)
    largest = -(-batch // processes)
    count = -(-largest // most) if most else 1
    if count > batch // processes:
        raise UsageError(
            f"batch {batch} on {processes} processes cannot be cut into parts of {most} image: some would be empty;"
            f" give a larger --micro-batch, or a batch that is a multiple of {processes} (--set batch=...)"
        )
    parts = [local_batch_slice(share.stop - share.start, number, count) for number in range(count)]
    return [slice(share.start + part.start, share.start + part.stop) for part in parts]


def check_agreement(process: Process, state: Mapping[str, object], run: Path) -> None:
    """Check that all processes are about to continue the same training; every process must call it.

    Args:
        process: this one.
        state: name -> what must be equal, such as litho's version or the step.
        run: the run's directory, for the message.

    Raises:
        TrainingError: it differs: another version or other data on a node, or a folder that nodes do not share.
    """
    if process.count == 1:
        return
    states: list[Any] = [None] * process.count
    distributed.all_gather_object(states, state)
    for rank, other in enumerate(states):
        for name, expected in states[0].items():
            if other[name] != expected:
                raise TrainingError(
                    f"process {rank} does not continue the same training as process 0: {name} is {other[name]}, not"
                    f" {expected}; every node needs the same litho and data, and {run} on a file system that all share"
                )


def lost_process(error: RuntimeError) -> bool:
    """Whether an error of torch says that another process of the group ended or cannot be reached."""
    if isinstance(error, distributed.DistError):
        return True
    words = str(error).lower()
    return distributed.is_initialized() and any(sign in words for sign in ("gloo", "nccl", "connection"))


@contextmanager
def leave_process_group() -> Iterator[None]:
    """Leave the process group after the block, also on an error: an open group may abort the exit of the process.

    A group that was there before is the caller's, and stays.
    """
    own = not (distributed.is_available() and distributed.is_initialized())
    try:
        yield
    finally:
        if own and distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()


def mean_over_processes(values: Tensor, processes: int) -> Tensor:
    """Mean of a tensor over all processes, in place; every process must call it."""
    if processes > 1:
        distributed.all_reduce(values)
        values /= processes
    return values


def gradient_averaging(processes: int) -> Callable[[list[Tensor]], None] | None:
    """A function that replaces gradients by their mean over all processes; None for a single process."""
    if processes == 1:
        return None

    def average(gradients: list[Tensor]) -> None:
        sizes = [gradient.numel() for gradient in gradients]
        flat = mean_over_processes(torch.cat([gradient.flatten() for gradient in gradients]), processes)
        for gradient, mean in zip(gradients, flat.split(sizes), strict=True):
            gradient.copy_(mean.view(gradient.shape))

    return average


def synchronise_batch_norm(network: nn.Module) -> nn.Module:
    """Replace every batch normalisation by one over all processes, in place; weights and their names stay."""
    for name, child in network.named_children():
        if isinstance(child, _BatchNorm) and child.track_running_stats:
            setattr(network, name, SynchronisedBatchNorm(child))
        else:
            synchronise_batch_norm(child)
    return network


class SynchronisedBatchNorm(nn.Module):
    """Batch normalisation with statistics over all processes; torch's own `SyncBatchNorm` needs GPUs.

    Args:
        norm: the module to replace; its parameters and buffers become this module's, under the same names.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        assert norm.momentum is not None, "batch norms with a cumulative mean are not supported"
        self._eps, self._momentum, self._affine = norm.eps, norm.momentum, norm.affine
        if norm.affine:
            self.weight, self.bias = norm.weight, norm.bias
        for name, buffer in norm.named_buffers(recurse=False):
            self.register_buffer(name, buffer)

    def forward(self, features: Tensor) -> Tensor:
        """Floats of shape (batch, channels, ...) -> the same shape and dtype."""
        shape = (1, -1) + (1,) * (features.ndim - 2)
        wide = features.float()
        mean, variance = self.running_mean, self.running_var
        if self.training:
            mean, variance = self._statistics(wide, shape)
        normal = (wide - mean.view(shape)) * (variance + self._eps).rsqrt().view(shape)
        if self._affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(features.dtype)

    def _statistics(self, features: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        axes = [axis for axis in range(features.ndim) if axis != 1]
        number = _sum(features.new_tensor(features.numel() / features.shape[1]))
        mean = _sum(features.sum(axes)) / number
        # A second pass: computing the variance as a difference of two sums loses half of its digits.
        variance = _sum((features - mean.view(shape)).square().sum(axes)) / number
        with torch.no_grad():
            self.running_mean.lerp_(mean, self._momentum)
            self.running_var.lerp_(variance * number / (number - 1), self._momentum)
            self.num_batches_tracked += 1
        return mean, variance


def _sum(values: Tensor) -> Tensor:
    total = _Sum.apply(values)
    assert isinstance(total, Tensor)
    return total


class _Sum(torch.autograd.Function):
    """Sum over all processes; the gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        values = values.clone()
        distributed.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # By the same function, so that a gradient penalty can be differentiated once more.
        (gradient,) = gradients
        return _sum(gradient)
