"""How near made pictures are to the ones that they ought to be, picture by picture."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import EvaluationError
from ...extras import require

__all__ = ["IDENTICAL_PSNR_DB", "l1", "psnr_db", "ssim"]

IDENTICAL_PSNR_DB = 100.0
"""Stands for the infinite PSNR of identical pictures, which JSON cannot write."""

SSIM_WINDOW_PIXELS = 11
PICTURES_AT_ONCE = 256


def l1(made: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    """Mean absolute difference of the pixels, as a share of their range: 0 to 1.

    Args:
        made, wanted: UINT8 of shape (count, height, width, channels).

    Raises:
        EvaluationError: there are no pictures, or they are not of one shape.
    """
    _check(made, wanted)
    return float(np.abs(made.astype(np.int16) - wanted).mean() / 255)


def psnr_db(
    made: NDArray[np.uint8], wanted: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None
) -> float:
    """Mean of the pictures' PSNR, each 10 log10(255**2 / mean squared error), at most `IDENTICAL_PSNR_DB`.

    Args:
        made, wanted: UINT8 of shape (count, height, width, channels).
        mask: of shape (count, height, width); where given, only pixels inside count.

    Raises:
        EvaluationError: there are no pictures, they are not of one shape, or a picture's mask is empty.
    """
    _check(made, wanted)
    squared = np.square(made.astype(np.float64) - wanted).mean(axis=3)
    inside = np.ones(squared.shape, bool) if mask is None else mask
    if inside.shape != squared.shape or not inside.any(axis=(1, 2)).all():
        raise EvaluationError(
            f"a mask of shape {inside.shape} does not fit, or is empty on a picture; it takes {squared.shape}"
        )
    error = squared.mean(axis=(1, 2), where=inside)
    smallest = 255.0**2 / 10 ** (IDENTICAL_PSNR_DB / 10)
    return float((10 * np.log10(255.0**2 / np.maximum(error, smallest))).mean())


def ssim(made: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    """Mean structural similarity, Gaussian window of 11 pixels: -1 to 1 (Wang et al. 2004, eq. 13).

    Args:
        made, wanted: UINT8 of shape (count, height, width, channels), 11x11 pixels or more.

    Raises:
        EvaluationError: there are no pictures, they are not of one shape, or are smaller than the window.
    """
    _check(made, wanted)
    if min(made.shape[1:3]) < SSIM_WINDOW_PIXELS:
        raise EvaluationError(
            f"pictures of shape {made.shape} are smaller than SSIM's window of 11x11 pixels"
        )
    similarity = require("torchmetrics.functional.image", "train").structural_similarity_index_measure
    parts = [
        similarity(_floats(some), _floats(others), data_range=255.0, reduction="none").reshape(-1)
        for some, others in zip(_parts(made), _parts(wanted), strict=True)
    ]
    return float(torch.cat(parts).mean())


def _floats(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).double()


def _parts(images: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [images[start : start + PICTURES_AT_ONCE] for start in range(0, len(images), PICTURES_AT_ONCE)]


def _check(made: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> None:
    if made.shape != wanted.shape or made.size == 0:
        raise EvaluationError(
            f"pictures of shape {made.shape} cannot be compared with pictures of {wanted.shape}"
        )
