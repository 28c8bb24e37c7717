"""Data-parallel training under `torchrun`: devices, shares of the batch, averaged gradients and batch norms.

Networks are not wrapped. Each process trains on its share of the global batch, gradients are averaged before every
optimizer step, and batch normalisation computes its statistics over all shares: the same global batch gives the same
training for any number of processes, up to the order in which floats are added.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...errors import UsageError

__all__ = [
    "Process",
    "gradient_averaging",
    "join_process_group",
    "leave_process_group",
    "local_batch_slice",
    "mean_over_processes",
    "synchronise_batch_norm",
]


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
        distributed.init_process_group()
    return Process(device, distributed.get_rank(), count)


def local_batch_slice(batch: int, process: int, processes: int) -> slice:
    """The images of a global batch that belong to one process.

    Raises:
        UsageError: the batch is not a multiple of the number of processes.
    """
    if batch % processes:
        raise UsageError(f"batch {batch} is not a multiple of {processes} processes (--set batch=...)")
    share = batch // processes
    return slice(process * share, (process + 1) * share)


@contextmanager
def leave_process_group() -> Iterator[None]:
    """Leave the process group after the block, also on an error: an open group may abort the exit of the process."""
    try:
        yield
    finally:
        if distributed.is_available() and distributed.is_initialized():
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
        (gradient,) = gradients
        gradient = gradient.clone()
        distributed.all_reduce(gradient)
        return gradient
