"""Simple properties of pictures, to say in a word what a direction changes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["measure_properties"]

LEAST_MASS = 1e-6


def measure_properties(pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Name -> value of each picture, FP64 of shape (count,).

    Position, width, height and slant are moments of what stands out: the absolute difference from the median of the
    picture's border.

    Args:
        pictures: UINT8 of shape (count, height, width, channels), 0 to 255.
    """
    values = pictures[..., :3].astype(np.float64) / 255
    grey = values.mean(3)
    found = {"brightness": grey.mean((1, 2)), "contrast": grey.std((1, 2))}
    if values.shape[3] == 3:
        found |= {
            "colourfulness": (values.max(3) - values.min(3)).mean((1, 2)),
            "redness": (values[..., 0] - values[..., 1:].mean(3)).mean((1, 2)),
            "blueness": (values[..., 2] - values[..., :2].mean(3)).mean((1, 2)),
        }
    return found | _shape(grey)


def _shape(grey: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    border = np.concatenate((grey[:, 0], grey[:, -1], grey[:, 1:-1, 0], grey[:, 1:-1, -1]), axis=1)
    mass = np.abs(grey - np.median(border, axis=1)[:, None, None]) + LEAST_MASS
    total = mass.sum((1, 2))
    rows, columns = (np.linspace(-1, 1, side) for side in grey.shape[1:])
    rows, columns = rows[None, :, None], columns[None, None, :]
    down, right = (mass * rows).sum((1, 2)) / total, (mass * columns).sum((1, 2)) / total
    rows, columns = rows - down[:, None, None], columns - right[:, None, None]
    height, width = (mass * rows**2).sum((1, 2)) / total, (mass * columns**2).sum((1, 2)) / total
    together = (mass * rows * columns).sum((1, 2)) / total
    return {
        "amount of ink": total / mass[0].size,
        "position across": right,
        "position down": down,
        "width": np.sqrt(width),
        "height": np.sqrt(height),
        # How far the columns move with the rows: upright is 0, leaning to the right is positive.
        "slant": -together / np.maximum(height, LEAST_MASS),
    }
