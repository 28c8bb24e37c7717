"""An exponential moving average of a generator: what users get, while the generator itself goes on learning."""

from __future__ import annotations

from copy import deepcopy

import torch

from ..networks.generator import Generator

__all__ = ["WeightEma", "average_decay"]

WARM_UP_SHARE = 0.05
"""Early on the half-life is at most this share of the images seen, so that the first weights are soon forgotten."""


def average_decay(nimg: int, batch: int, half_life_nimg: float) -> float:
    """Share of the old average that a step keeps: 2^(-batch / half-life) (Karras et al. 2021, with its ramp-up).

    Args:
        nimg: images seen, those of this step included.
        batch: images of this step.
        half_life_nimg: images after which a weight's share has halved.
    """
    return 0.5 ** (batch / max(min(half_life_nimg, nimg * WARM_UP_SHARE), 1e-8))


class WeightEma:
    """The averaged twin of a generator, in eval mode; buffers (the statistics of normalisations) are averaged too.

    Args:
        generator: in training; it is copied.
        half_life_nimg: images after which a weight's share has halved.
    """

    def __init__(self, generator: Generator, half_life_nimg: float) -> None:
        self.generator = deepcopy(generator).eval().requires_grad_(False)
        self._source, self._half_life_nimg = generator, half_life_nimg

    @torch.no_grad()
    def update(self, nimg: int, batch: int) -> None:
        """Take in the generator as it is after a step of `batch` images that reached `nimg`."""
        keep = average_decay(nimg, batch, self._half_life_nimg)
        theirs = self._source.state_dict()
        for name, ours in self.generator.state_dict().items():
            if ours.is_floating_point():
                ours.lerp_(theirs[name], 1 - keep)
            else:
                ours.copy_(theirs[name])
