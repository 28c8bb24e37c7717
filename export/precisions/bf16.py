"""BF16: the range of FP32 with eight bits of precision."""

from __future__ import annotations

from ...parity.gate import Gate
from .base import Lowering, Precision

__all__ = ["PRECISION"]

OPSET = 22
"""First opset whose convolutions take BF16."""


def _lower(lowering: Lowering) -> bytes:
    from ._casts import lower_floats

    return lower_floats(lowering, "BFLOAT16", OPSET)


PRECISION = Precision(
    "bf16",
    20,
    Gate(min_psnr_db=30, shift_levels=0.5),
    _lower,
    ("subpixel",),
    element="BFLOAT16",
    least_target="sm80",
)
