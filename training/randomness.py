"""All random numbers of a training, as functions of (seed, step), so that a resumed run draws the same ones.

Numbers are drawn for the global batch, and each process keeps its share: the same global batch gives the same training
for any number of processes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Draw", "batch_indices", "first_weights_seed"]

_ORDER, _STEP, _WEIGHTS = range(3)


class Draw:
    """The random numbers of one step.

    Args:
        seed: of the training.
        step: number of the step, from 0.
        batch: images of the step over all processes.
        part: this process's share of the global batch.
        device: of the results; numbers are drawn on the CPU, so that they do not depend on the device.

    Attributes:
        step: number of the step.
    """

    def __init__(
        self, seed: int, step: int, batch: int, part: slice, device: torch.device | str = "cpu"
    ) -> None:
        self.step = step
        self._generator = torch.Generator().manual_seed(_derive(seed, _STEP, step))
        self._batch, self._part, self._device = batch, part, device

    def normal(self, *shape: int) -> Tensor:
        """Standard normal FP32 of shape (local batch, *shape)."""
        return self._local(torch.randn(self._batch, *shape, generator=self._generator))

    def uniform(self, *shape: int) -> Tensor:
        """Uniform FP32 of shape (local batch, *shape) in [0, 1)."""
        return self._local(torch.rand(self._batch, *shape, generator=self._generator))

    def integers(self, below: int, *shape: int) -> Tensor:
        """Uniform INT64 of shape (local batch, *shape) in [0, below)."""
        return self._local(torch.randint(below, (self._batch, *shape), generator=self._generator))

    def _local(self, values: Tensor) -> Tensor:
        return values[self._part].to(self._device)


def batch_indices(seed: int, step: int, batch: int, count: int) -> NDArray[np.int64]:
    """Indices of the images of a step: every image once per pass, each pass in its own order.

    Args:
        seed: of the training.
        step: number of the step, from 0.
        batch: images per step.
        count: images in the dataset; may be smaller than `batch`.

    Returns:
        INT64 of shape (batch,), values in [0, count - 1].
    """
    position = np.arange(step * batch, (step + 1) * batch)
    passes = position // count
    order = [_order(seed, int(number), count) for number in range(passes[0], passes[-1] + 1)]
    return np.concatenate(order)[position - passes[0] * count]


def first_weights_seed(seed: int) -> int:
    """The seed of the initial weights."""
    return _derive(seed, _WEIGHTS)


@lru_cache(maxsize=4)
def _order(seed: int, number: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, _ORDER, number]).permutation(count)


def _derive(*entropy: int) -> int:
    # SeedSequence gives neighbouring seeds and steps independent streams.
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)
