"""FP16: eleven bits of precision, values up to 65504."""

from __future__ import annotations

from ...parity.gate import Gate
from .base import Lowering, Precision

__all__ = ["PRECISION"]

OPSET = 13


def _lower(lowering: Lowering) -> bytes:
    from ._casts import lower_floats

    return lower_floats(lowering, "FLOAT16", OPSET)


PRECISION = Precision("fp16", 10, Gate(min_psnr_db=40, shift_levels=0.25), _lower, element="FLOAT16")
