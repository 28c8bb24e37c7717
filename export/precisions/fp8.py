"""FP8 with four bits of exponent and three of mantissa (Micikevicius et al. 2022), for TensorRT."""

from __future__ import annotations

from ...parity.gate import Gate
from .base import Lowering, Precision

__all__ = ["PRECISION"]


def _lower(lowering: Lowering) -> bytes:
    from ._quantizers import quantize

    return quantize(lowering, "FLOAT8E4M3FN")


def _switched(lowering: Lowering) -> bytes | None:
    from ._quantizers import switched

    return switched(lowering, "FLOAT8E4M3FN")


PRECISION = Precision(
    "fp8",
    40,
    Gate(mean_psnr_db=25, shift_levels=0.5, distance_ratio=1.05),
    _lower,
    ("subpixel", "activations_first"),
    calibrated=True,
    element="FLOAT8E4M3FN",
    least_target="sm89",
    switched=_switched,
)
