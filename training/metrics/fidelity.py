"""Errors between pictures and their targets: L1, PSNR, SSIM."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import EvaluationError
from ...parity import metrics

__all__ = ["l1", "psnr_db", "ssim"]


def l1(output: NDArray[np.uint8], target: NDArray[np.uint8]) -> float:
    """Mean absolute difference of the pixels, as a share of their range: 0 to 1.

    Args:
        output, target: UINT8 of shape (count, height, width, channels).

    Raises:
        EvaluationError: there are no pictures, or their shapes differ.
    """
    _check(output, target)
    return float(np.abs(output.astype(np.int16) - target).mean() / 255)


def psnr_db(
    output: NDArray[np.uint8], target: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None
) -> float:
    """Mean of `parity.metrics.psnr_db` over the pictures.

    Args:
        output, target: UINT8 of shape (count, height, width, channels).
        mask: of shape (count, height, width); if given, only pixels inside it count.

    Raises:
        EvaluationError: there are no pictures, their shapes differ, or a picture's mask is empty.
    """
    _check(output, target)
    if mask is not None and (mask.shape != output.shape[:3] or not mask.any(axis=(1, 2)).all()):
        raise EvaluationError(
            f"a mask of shape {mask.shape} does not fit, or is empty on a picture; it takes {output.shape[:3]}"
        )
    return float(metrics.psnr_db(output, target, mask).mean())


def ssim(output: NDArray[np.uint8], target: NDArray[np.uint8]) -> float:
    """`parity.metrics.ssim` with reflected borders, as torchmetrics counts it: -1 to 1.

    Args:
        output, target: UINT8 of shape (count, height, width, channels), 11x11 pixels or more.

    Raises:
        EvaluationError: there are no pictures, their shapes differ, or they are smaller than the window.
    """
    _check(output, target)
    if min(output.shape[1:3]) < metrics.SSIM_WINDOW_PIXELS:
        raise EvaluationError(
            f"pictures of shape {output.shape} are smaller than SSIM's window of 11x11 pixels"
        )
    return metrics.ssim(output, target, reflect=True)


def _check(output: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
    if output.shape != target.shape or output.size == 0:
        raise EvaluationError(
            f"pictures of shape {output.shape} cannot be compared with pictures of {target.shape}"
        )
