"""The noise of a seed as a module, which an export takes for a single operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from ...signature.noise import gaussian

__all__ = ["Noise", "as_one_operator", "operator"]

_ONE: ContextVar[bool] = ContextVar("noise as one operator", default=False)


@torch.library.custom_op("litho::noise", mutates_args=())
def _operator(seed: Tensor, count: int) -> Tensor:
    return gaussian(seed, count)


@_operator.register_fake
def _shape(seed: Tensor, count: int) -> Tensor:
    return seed.new_empty((seed.shape[0], count), dtype=torch.float32)


def operator() -> Any:
    """The operator `litho::noise`, as exported programs name it."""
    return torch.ops.litho.noise.default


@contextmanager
def as_one_operator() -> Iterator[None]:
    """Context in which the noise is traced as the operator `litho::noise`, and not as the hundred that it is made of.

    Every step of a trace costs milliseconds: those of the noise took more than half of the time of a small export.
    """
    before = _ONE.set(True)
    try:
        yield
    finally:
        _ONE.reset(before)


class Noise(nn.Module):
    """INT64 seeds of shape (batch,) -> noise, FP32 of shape (batch, count)."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, seed: Tensor) -> Tensor:
        """See `gaussian`."""
        if _ONE.get():
            made: Tensor = _operator(seed, self.count)
            return made
        return gaussian(seed, self.count)
