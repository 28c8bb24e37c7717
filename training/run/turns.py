"""The losses of one training step, on all parts of this process's share of the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrizations import _SpectralNorm

from ...errors import UsageError
from ..objectives.task import LossStep, Task
from ..optim.optimizer_step import OptimizerStep

__all__ = ["check_parts", "take_turns"]

Turns = Sequence[tuple[Iterator[LossStep], float]]


def check_parts(task: Task, parts: int) -> None:
    """Check that the losses of parts add up to that of the whole batch.

    Raises:
        UsageError: there are several parts and a batch normalisation, whose statistics would be those of a part.
    """
    if parts > 1 and any(
        isinstance(module, _BatchNorm) and module.track_running_stats for module in task.modules()
    ):
        raise UsageError(
            f"a batch in {parts} parts needs a network without batch normalisation, which would see one part at a"
            " time; give --set norm=group if the family has it, more processes, or leave out --micro-batch"
        )


def take_turns(
    task: Task, turns: Turns, steps: dict[str, OptimizerStep], factor: float, dtype: torch.dtype | None
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Take one step of each optimizer in turn.

    A part's activations are freed before the next part's are made, except those that the task keeps for its next turn
    (`Task.keeps_activations`).

    Args:
        task: in training.
        turns: losses and weight of each part (`OptimizerStep.add`).
        steps: name of each optimizer -> its step.
        factor: of the learning rates, 0 to 1.
        dtype: of the arithmetic under autocast; None for FP32.

    Yields:
        Name of the optimizer that stepped, and the statistics of its loss: FP32 scalars, of which the mean over all
        processes is that over the whole batch.
    """
    while True:
        statistics: dict[str, Tensor] = {}
        name = None
        for number, (losses, weight) in enumerate(turns):
            step = _next_loss(task, losses, dtype, repeated=number > 0)
            if step is None:
                continue
            name = step.optimizer
            steps[name].add(step.loss, weight)
            for key, value in {f"{name}_loss": step.loss, **(step.statistics or {})}.items():
                value = value.detach().float() * weight
                statistics[key] = statistics[key] + value if key in statistics else value
        if name is None:
            return
        norm = steps[name].step(factor)
        yield name, statistics if norm is None else {**statistics, f"{name}_gradient": norm}


def _next_loss(
    task: Task, losses: Iterator[LossStep], dtype: torch.dtype | None, *, repeated: bool
) -> LossStep | None:
    device = next(task.parameters()).device
    # Only the forward pass runs under autocast.
    with _spectral_norms_fixed(task, repeated), torch.autocast(device.type, dtype, enabled=dtype is not None):
        return next(losses, None)


@contextmanager
def _spectral_norms_fixed(task: nn.Module, fixed: bool) -> Iterator[None]:
    """Keep the estimates of spectral norms, which every forward pass in training mode changes, as they are."""
    norms = [module for module in task.modules() if isinstance(module, _SpectralNorm)] if fixed else []
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm in norms:
            norm.train()
