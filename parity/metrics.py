"""How close pictures are to reference pictures: PSNR and SSIM in NumPy, each written once for the whole project."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["IDENTICAL_PSNR_DB", "SSIM_WINDOW_PIXELS", "psnr_db", "ssim"]

IDENTICAL_PSNR_DB = 100.0
"""Stands for the infinite PSNR of identical pictures, which JSON cannot hold."""

SSIM_WINDOW_PIXELS = 11
_SSIM_SIGMA_PIXELS = 1.5
_SSIM_CONSTANTS = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr_db(
    pictures: NDArray[np.uint8], reference: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """PSNR of each picture: 10 log10(255**2 / mean squared error), at most `IDENTICAL_PSNR_DB`.

    Args:
        pictures, reference: UINT8 of shape (count, height, width, channels).
        mask: of shape (count, height, width), true for some pixels of every picture; only those count.

    Returns:
        FP64 of shape (count,), decibels.
    """
    difference = pictures.astype(np.int16) - reference.astype(np.int16)
    inside = True if mask is None else mask[..., None]
    squared = np.square(difference, dtype=np.float64).mean(axis=(1, 2, 3), where=inside)
    smallest = 255.0**2 / 10 ** (IDENTICAL_PSNR_DB / 10)
    return 10 * np.log10(255.0**2 / np.maximum(squared, smallest))


def ssim(pictures: NDArray[np.uint8], reference: NDArray[np.uint8], *, reflect: bool = False) -> float:
    """SSIM (Wang et al. 2004, equation 13, with its constants), averaged over windows, channels and pictures.

    Args:
        pictures, reference: UINT8 of shape (count, height, width, channels). Pictures smaller than the window of 11
            pixels get a window of their own size.
        reflect: also count windows that cross the border, filled with reflected pixels, as torchmetrics does.

    Returns:
        -1 to 1; 1 for identical pictures.
    """
    side = min(SSIM_WINDOW_PIXELS, *pictures.shape[1:3])
    border = side // 2 if reflect else 0
    total = 0.0
    # One picture at a time: the windows of all of them would take hundreds of times their memory.
    for pair in zip(pictures, reference, strict=True):
        x, y = (np.pad(one, ((border, border), (border, border), (0, 0)), "reflect") for one in pair)
        total += _similarity(x.astype(np.float64), y.astype(np.float64), side)
    return total / len(pictures)


def _similarity(x: NDArray[np.float64], y: NDArray[np.float64], side: int) -> float:
    """Mean SSIM of two pictures, FP64 of shape (height, width, channels), over all windows of `side` pixels."""
    offsets = np.arange(side) - (side - 1) / 2
    weights = np.exp(-(offsets**2) / (2 * _SSIM_SIGMA_PIXELS**2))
    weights /= weights.sum()

    def blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
        for axis in (0, 1):
            values = np.lib.stride_tricks.sliding_window_view(values, side, axis) @ weights
        return values

    mean_x, mean_y = blurred(x), blurred(y)
    variance_x, variance_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    first, second = _SSIM_CONSTANTS
    return float(
        np.mean(
            (2 * mean_x * mean_y + first)
            * (2 * covariance + second)
            / ((mean_x**2 + mean_y**2 + first) * (variance_x + variance_y + second))
        )
    )
