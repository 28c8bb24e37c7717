"""Errors between pictures and their targets: L1, PSNR, SSIM."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import EvaluationError
from ...extras import require

__all__ = ["IDENTICAL_PSNR_DB", "l1", "psnr_db", "ssim"]

IDENTICAL_PSNR_DB = 100.0
"""Replaces the infinite PSNR of identical pictures, which JSON cannot represent."""

SSIM_WINDOW_PIXELS = 11
PICTURES_AT_ONCE = 256


def l1(output: NDArray[np.uint8], target: NDArray[np.uint8]) -> float:
    """Mean absolute difference of the pixels, as a share of their range: 0 to 1.

    Args:
        output, target: UINT8 of shape (count, height, width, channels).

    Raises:
        EvaluationError: there are no pictures, or shapes differ.
    """
    _check(output, target)
    return float(np.abs(output.astype(np.int16) - target).mean() / 255)


def psnr_db(
    output: NDArray[np.uint8], target: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None
) -> float:
    """Mean of the pictures' PSNR, each 10 log10(255**2 / mean squared error), at most `IDENTICAL_PSNR_DB`.

    Args:
        output, target: UINT8 of shape (count, height, width, channels).
        mask: of shape (count, height, width); if given, only pixels inside count.

    Raises:
        EvaluationError: there are no pictures, shapes differ, or a mask is empty.
    """
    _check(output, target)
    squared = np.square(output.astype(np.float64) - target).mean(axis=3)
    inside = np.ones(squared.shape, bool) if mask is None else mask
    if inside.shape != squared.shape or not inside.any(axis=(1, 2)).all():
        raise EvaluationError(
            f"a mask of shape {inside.shape} does not fit, or is empty on a picture; it takes {squared.shape}"
        )
    error = squared.mean(axis=(1, 2), where=inside)
    smallest = 255.0**2 / 10 ** (IDENTICAL_PSNR_DB / 10)
    return float((10 * np.log10(255.0**2 / np.maximum(error, smallest))).mean())


def ssim(output: NDArray[np.uint8], target: NDArray[np.uint8]) -> float:
    """Mean structural similarity, Gaussian window of 11 pixels: -1 to 1 (Wang et al. 2004, eq. 13).

    Args:
        output, target: UINT8 of shape (count, height, width, channels), 11x11 pixels or more.

    Raises:
        EvaluationError: there are no pictures, shapes differ, or they are smaller than the window.
    """
    _check(output, target)
    if min(output.shape[1:3]) < SSIM_WINDOW_PIXELS:
        raise EvaluationError(
            f"pictures of shape {output.shape} are smaller than SSIM's window of 11x11 pixels"
        )
    similarity = require("torchmetrics.functional.image", "train").structural_similarity_index_measure
    parts = [
        similarity(_floats(some), _floats(others), data_range=255.0, reduction="none").reshape(-1)
        for some, others in zip(_parts(output), _parts(target), strict=True)
    ]
    return float(torch.cat(parts).mean())


def _floats(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).double()


def _parts(images: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [images[start : start + PICTURES_AT_ONCE] for start in range(0, len(images), PICTURES_AT_ONCE)]


def _check(output: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
    if output.shape != target.shape or output.size == 0:
        raise EvaluationError(
            f"pictures of shape {output.shape} cannot be compared with pictures of {target.shape}"
        )
