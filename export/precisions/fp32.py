"""FP32: the unchanged graph, which must keep the determinism contract."""

from __future__ import annotations

from ...parity.gate import IDENTICAL_SHARE, Gate
from .base import Lowering, Precision

__all__ = ["PRECISION"]


def _lower(lowering: Lowering) -> bytes:
    return lowering.graph


PRECISION = Precision("fp32", 0, Gate(max_abs_levels=1, identical_share=IDENTICAL_SHARE), _lower)
