"""PyTorch's pictures of the inputs that prove every form of a generator."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...bundle.probes import Probes
from ...parity.probe_inputs import Inputs, probe_inputs
from ...parity.replay import make
from ...runners.base import Runner

__all__ = ["make_probes"]

_MOST_BYTES = 1 << 24
"""Most bytes of the pictures of many seeds or labels that are kept; of larger ones only some rows and columns are."""


def make_probes(reference: Runner, progress: Callable[[float], None] = lambda share: None) -> Probes:
    """Inputs, with the pictures that `reference` makes from them.

    Args:
        reference: PyTorch in FP32.
        progress: called after every run with the share that is done, 0 to 1.

    Raises:
        ExportError: a picture is not finite before it is rounded.
    """
    signature = reference.signature
    banks = probe_inputs(signature)
    whole, done = sum(map(_count, banks.values())), 0

    def made(pictures: int) -> None:
        nonlocal done
        done += pictures
        progress(done / whole)

    progress(0.0)
    usual, *others = (_bank(reference, name, inputs, made) for name, inputs in banks.items())
    return Probes(usual.inputs, usual.images, tuple(others))


def _count(inputs: Inputs) -> int:
    return len(next(iter(inputs.values())))


def _bank(reference: Runner, name: str, inputs: Inputs, made: Callable[[int], None]) -> Probes:
    signature, stride = reference.signature, 1
    if name in ("seeds", "labels"):
        count, height, width, channels = signature.output_shape(inputs)
        pixels = _MOST_BYTES // (count * channels)
        while math.ceil(height / stride) * math.ceil(width / stride) > pixels and stride < min(height, width):
            stride += 1
    bank = Probes(inputs, np.empty(0, np.uint8), name=name, stride=stride)

    def keep(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        made(len(pictures))
        return bank.strided(pictures)

    return Probes(inputs, make(reference, inputs, signature.at_once, keep), name=name, stride=stride)
