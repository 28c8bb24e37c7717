"""Exponential moving average of a generator's weights, which snapshots contain."""

from __future__ import annotations

from copy import deepcopy

import torch

from ..networks.generator import Generator

__all__ = ["WeightEma", "average_decay"]

WARM_UP_SHARE = 0.05
"""Upper bound of the half-life as a share of the images seen, so that initial weights are soon forgotten."""


def average_decay(nimg: int, batch: int, half_life_nimg: float) -> float:
    """Decay of the average in a step: 2^(-batch / half-life) (Karras et al. 2021, with its ramp-up).

    Args:
        nimg: images seen, this step included.
        batch: images of this step.
        half_life_nimg: half-life in images of a weight's share.
    """
    return 0.5 ** (batch / max(min(half_life_nimg, nimg * WARM_UP_SHARE), 1e-8))


class WeightEma:
    """An averaged copy of a generator in eval mode; buffers (statistics of normalisations) are averaged too.

    Args:
        generator: the generator in training; it is copied.
        half_life_nimg: half-life in images of a weight's share.
    """

    def __init__(self, generator: Generator, half_life_nimg: float) -> None:
        self.generator = deepcopy(generator).eval().requires_grad_(False)
        self._source, self._half_life_nimg = generator, half_life_nimg

    @torch.no_grad()
    def update(self, nimg: int, batch: int) -> None:
        """Average in the current weights, after a step of `batch` images that reached `nimg`."""
        keep = average_decay(nimg, batch, self._half_life_nimg)
        current = self._source.state_dict()
        for name, average in self.generator.state_dict().items():
            if average.is_floating_point():
                average.lerp_(current[name], 1 - keep)
            else:
                average.copy_(current[name])
