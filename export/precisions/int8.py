"""INT8: weights per channel, activations per tensor, with ranges from typical inputs."""

from __future__ import annotations

from ...parity.gate import Gate
from .base import Lowering, Precision

__all__ = ["PRECISION"]


def _lower(lowering: Lowering) -> bytes:
    from ._quantizers import quantize

    return quantize(lowering, "INT8")


def _switched(lowering: Lowering) -> bytes | None:
    from ._quantizers import switched

    return switched(lowering, "INT8")


PRECISION = Precision(
    "int8",
    30,
    Gate(mean_psnr_db=25, shift_levels=0.5, distance_ratio=1.05),
    _lower,
    ("subpixel", "activations_first"),
    calibrated=True,
    element="INT8",
    must_pay=True,
    switched=_switched,
)
