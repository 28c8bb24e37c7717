"""Replace only transposed convolutions with few output channels, for a runtime that has the others in INT8.

OpenVINO computes a transposed convolution in INT8 as fast as a convolution, and fuses activation and quantization into
it. It rounds the output channels up to a full vector: with three channels most of its work is in vain, where the
sub-pixel convolution has four times as many channels on a quarter of the pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import subpixel

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["apply"]

SUMMARY = "transposed convolution with few outputs -> sub-pixel convolution"
ORDER = 40
DEFAULT = False

_VECTOR = 16
"""FP32 and INT32 numbers in a vector of 512 bits: fewer output channels leave it partly empty."""


def apply(model: ir.Model) -> int:
    """Replace every transposed convolution with fewer than sixteen output channels; see `subpixel.apply`.

    Returns:
        How many were replaced.
    """
    return subpixel.replace(model, fewer_than=_VECTOR)
