"""Occlusion: take away one cause after the other, and see how much the picture changes (Zeiler and Fergus 2014)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....extras import require

__all__ = ["Changes", "difference", "occlude"]

CAUSES_AT_ONCE = 16


@dataclass(frozen=True)
class Changes:
    """How a picture changes without each of its causes.

    Args:
        maps: mean absolute change of each pixel, in grey levels: FP64 of shape (causes, height, width).
    """

    maps: NDArray[np.float64]

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean over all pixels: FP64 of shape (causes,)."""
        return self.maps.mean((1, 2))

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of each cause in the sum of all changes: FP64 of shape (causes,); zeros if nothing changes."""
        total = self.means.sum()
        return self.means / total if total > 0 else np.zeros_like(self.means)

    @property
    def full_scale(self) -> float:
        """The largest change of a pixel, in grey levels."""
        return float(self.maps.max())


def difference(pictures: NDArray[np.uint8], picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute difference over the channels, in grey levels.

    Args:
        pictures: UINT8 of shape (count, height, width, channels).
        picture: UINT8 of shape (height, width, channels).

    Returns:
        FP64 of shape (count, height, width).
    """
    return np.abs(pictures.astype(np.float64) - picture).mean(3)


def occlude(count: int, changes: Callable[[NDArray[np.bool_]], NDArray[np.float64]]) -> Changes:
    """Take away each of `count` causes, by captum's `FeatureAblation` over their presence.

    Args:
        count: number of causes, at least 1.
        changes: presence of the causes, BOOL of shape (batch, count) -> change of each pixel from the picture with all
            of them, in grey levels, of shape (batch, height, width).

    Raises:
        MissingExtra: captum is not installed.
    """
    attr = require("captum.attr", "explain")
    shape: tuple[int, ...] = ()

    def forward(presence: Tensor) -> Tensor:
        nonlocal shape
        found = changes(presence.numpy() > 0.5)
        shape = found.shape[1:]
        return torch.from_numpy(found.reshape(len(found), -1))

    ablation = attr.FeatureAblation(forward)
    # What it gives for a feature is the value with all features minus the value without this one; the first is 0.
    found = ablation.attribute(torch.ones(1, count), perturbations_per_eval=CAUSES_AT_ONCE)
    return Changes(np.abs(found.double().numpy().T).reshape(count, *shape))
