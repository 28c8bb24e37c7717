"""Several processes that train one network on one global batch: who takes what, and what has to be averaged.

Networks are not wrapped. Each process takes its part of the batch, gradients are averaged before every optimiser's
step, and batch normalisation takes its statistics over all parts: the same global batch gives the same training, up
to the order in which floats are added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...errors import UsageError

__all__ = [
    "average_over_processes",
    "mean_over_processes",
    "part_of_batch",
    "processes_left",
    "synchronised",
]


def part_of_batch(batch: int, process: int, processes: int) -> slice:
    """Which images of a global batch are those of one of several processes.

    Raises:
        UsageError: they cannot be shared evenly.
    """
    if batch % processes:
        raise UsageError(
            f"batch {batch} cannot be shared by {processes} processes; take a multiple (--set batch=...)"
        )
    share = batch // processes
    return slice(process * share, (process + 1) * share)


@contextmanager
def processes_left() -> Iterator[None]:
    """Leave the group of processes after the block, however it ends: one left open may abort the process's exit."""
    try:
        yield
    finally:
        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()


def mean_over_processes(values: Tensor, processes: int) -> Tensor:
    """The mean of every process's tensor; all must call it."""
    if processes > 1:
        distributed.all_reduce(values)
        values /= processes
    return values


def average_over_processes(processes: int) -> Callable[[list[Tensor]], None] | None:
    """What puts the mean over all processes in the place of each gradient; None for a single process."""
    if processes == 1:
        return None

    def average(gradients: list[Tensor]) -> None:
        sizes = [gradient.numel() for gradient in gradients]
        flat = mean_over_processes(torch.cat([gradient.flatten() for gradient in gradients]), processes)
        for gradient, mean in zip(gradients, flat.split(sizes), strict=True):
            gradient.copy_(mean.view(gradient.shape))

    return average


def synchronised(network: nn.Module) -> nn.Module:
    """The network, each batch normalisation in it replaced by one over all processes; weights and names stay."""
    for name, child in network.named_children():
        if isinstance(child, _BatchNorm) and child.track_running_stats:
            setattr(network, name, SynchronisedBatchNorm(child))
        else:
            synchronised(child)
    return network


class SynchronisedBatchNorm(nn.Module):
    """Batch normalisation with the statistics of all processes; torch's own (`SyncBatchNorm`) takes GPUs only.

    Args:
        norm: in whose place it stands: its parameters and buffers become this module's, under the same names.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        assert norm.momentum is not None, "a cumulative mean of statistics is used nowhere"
        self._eps, self._momentum, self._affine = norm.eps, norm.momentum, norm.affine
        if norm.affine:
            self.weight, self.bias = norm.weight, norm.bias
        for name, buffer in norm.named_buffers(recurse=False):
            self.register_buffer(name, buffer)

    def forward(self, features: Tensor) -> Tensor:
        """Floats of shape (batch, channels, ...) -> the same shape and dtype."""
        shape = (1, -1) + (1,) * (features.ndim - 2)
        wide = features.float()
        mean, variance = self._statistics(wide, shape) if self.training else self._running()
        normal = (wide - mean.view(shape)) * (variance + self._eps).rsqrt().view(shape)
        if self._affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(features.dtype)

    def _running(self) -> tuple[Tensor, Tensor]:
        return self.running_mean, self.running_var

    def _statistics(self, features: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        axes = [axis for axis in range(features.ndim) if axis != 1]
        number = _sum(features.new_tensor(features.numel() / features.shape[1]))
        mean = _sum(features.sum(axes)) / number
        # In a second pass: a variance as the difference of two sums loses half of its digits.
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
    """The sum over all processes; its gradient is the sum of theirs."""

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
