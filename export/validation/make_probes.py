"""The inputs that prove every form of a generator, edge cases first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle.probes import Probes
from ...runners.base import Runner
from ...signature import Signature
from ...signature.fields import Field, Role, Size

__all__ = ["PROBE_COUNT", "make_probes"]

PROBE_COUNT = 64
FEW_PROBES = 6
"""Probes of each further size of a generator with free size."""

_SEEDS = (0, 1, 2**31 - 1, 2**32, 2**53 + 1, 2**63 - 1)
_FLAT = np.array([0, 255], np.uint8).reshape(-1, 1, 1, 1)
"""All black and all white."""

_STEPS = (1, 2, 3, 5, 8, 13, 21)
_PROMPTS = (
    "",
    "a large red circle above a small blue square",
    "a",
    "маленький синий квадрат под большим красным кругом",
    "一个红色的大圆圈",
    "دائرة حمراء كبيرة",
    "🔴 above 🟦",
    "A LARGE RED CIRCLE, above a small blue square!",
    " two  spaces,\ttabs\nand lines ",
    "e\N{COMBINING ACUTE ACCENT}te\N{COMBINING ACUTE ACCENT}",
    "a small green triangle left of a large yellow star " * 20,
)
"""Several scripts, an empty text, white space, and a text longer than any number of tokens."""


def make_probes(reference: Runner, count: int = PROBE_COUNT) -> Probes:
    """Inputs, with the pictures that `reference` makes from them in one batch.

    Args:
        reference: PyTorch in FP32.
        count: number of probes.
    """
    signature = reference.signature
    others = [_bank(reference, signature.with_size(*size), FEW_PROBES) for size in _other_sizes(signature)]
    return replace(_bank(reference, signature, count), others=tuple(others))


def _bank(reference: Runner, signature: Signature, count: int) -> Probes:
    inputs = signature.example(count)
    for field in signature.inputs:
        _put_edges(field, inputs[field.name])
    return Probes(inputs, reference.run(inputs)[signature.output.name])


def _other_sizes(signature: Signature) -> list[Size]:
    """Sizes of a generator with free size: the smallest, one twice as wide as usual, and the tallest."""
    source = signature.sized_by
    if source is None:
        return []
    height, width, _ = source.usual_shape
    (least, *_), (most, *_) = source.extreme_shapes
    sizes = ((least, least), (height, source.nearest_side(2 * width)), (most, least))
    return list(dict.fromkeys(size for size in sizes if size != (height, width)))


def _chequered(picture: NDArray[np.uint8], *, white: int) -> NDArray[np.uint8]:
    """Alternating pixels of 0 and `white`, UINT8 of the shape of `picture`, (height, width, channels)."""
    rows, columns, _ = np.indices(picture.shape)
    return np.where((rows + columns) % 2 == 1, np.uint8(white), np.uint8(0))


def _put_edges(field: Field, values: NDArray[Any]) -> None:
    """Write edge cases over the first values of a field, or over all if neighbours in a batch must differ."""
    match field.role:
        case Role.SEED:
            values[: len(_SEEDS)] = _SEEDS
        case Role.IMAGE:
            values[: len(_FLAT)] = _FLAT
            values[len(_FLAT)] = _chequered(values[0], white=255)
        case Role.MASK:
            values[: len(_FLAT)] = _FLAT
            values[len(_FLAT)] = _chequered(values[0], white=1)  # any value but 0 is inside the hole
        case Role.PROMPT:
            values[:] = np.resize(np.array(_PROMPTS, dtype=object), len(values))
        case Role.STEPS:
            values[:] = np.clip(np.resize(_STEPS, len(values)), field.minimum, field.maximum)
            values[1:3] = field.maximum  # with a prompt: at the largest guidance, and at the default
        case Role.GUIDANCE:
            edges = [edge for edge in (field.minimum, field.maximum, field.default) if edge is not None]
            values[:] = np.resize(edges, len(values))
        case _:
            pass
