"""PyTorch's pictures of the inputs that prove every form of a generator."""

from __future__ import annotations

import math

import numpy as np

from ...bundle.probes import Probes
from ...parity.probe_inputs import PROBE_COUNT, Inputs, probe_inputs
from ...parity.replay import make
from ...runners.base import Runner
from ...signature import Signature

__all__ = ["make_probes"]

_AT_ONCE = 64
"""Pictures that PyTorch makes at a time."""

_MOST_BYTES = 1 << 24
"""Most bytes of the pictures of many seeds or labels that are kept; of larger ones only some rows and columns are."""


def make_probes(reference: Runner, count: int = PROBE_COUNT) -> Probes:
    """Inputs, with the pictures that `reference` makes from them.

    Args:
        reference: PyTorch in FP32.
        count: number of usual probes.

    Raises:
        ExportError: a picture is not finite before it is rounded.
    """
    signature = reference.signature
    usual, *others = (
        _bank(reference, signature, name, inputs) for name, inputs in probe_inputs(signature, count).items()
    )
    return Probes(usual.inputs, usual.images, tuple(others))


def _bank(reference: Runner, signature: Signature, name: str, inputs: Inputs) -> Probes:
    stride = 1
    if name in ("seeds", "labels"):
        count, height, width, channels = signature.output_shape(inputs)
        pixels = _MOST_BYTES // (count * channels)
        while math.ceil(height / stride) * math.ceil(width / stride) > pixels and stride < min(height, width):
            stride += 1
    bank = Probes(inputs, np.empty(0, np.uint8), name=name, stride=stride)
    return Probes(inputs, make(reference, inputs, _AT_ONCE, bank.strided), name=name, stride=stride)
