"""The inputs of the probes, which follow from the signature alone: whoever has a bundle can make them anew.

    probes           64 usual ones: edge cases of every field, with ordinary values of the others
    seeds            more seeds: small ones, and the neighbours of the powers of two
    labels           every label that the usual probes do not have
    extremes         the ends of what all fields allow, combined
    size 32x64       a few, for each further size of a generator whose picture size is free

`probe_values` says which values a field has in each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.probes import EXTREMES, PERIOD, USUAL
from ..signature import Signature
from ..signature.fields import Role, Size
from .probe_values import (
    choices,
    further_seeds,
    has_extremes,
    is_ranged,
    put_edges,
    put_extremes,
    put_ranged,
)

__all__ = ["PROBE_COUNT", "RECIPE", "Inputs", "probe_inputs"]

RECIPE = "2"
"""Number of these rules; a bundle records the one that it was made by. Bundles without a number are older."""

PROBE_COUNT = 64
"""Usual probes, in this recipe and in all before it."""

_FEW_PROBES = 6
"""Probes of each further size of a generator with free size."""

_EXTREME_PROBES = 8

_FEW_STEPS = 2
"""Steps of a sampler in the banks of seeds and labels, which its stages see once each."""

Inputs = dict[str, NDArray[Any]]
"""Field name -> values, with the batch axis in front."""


def probe_inputs(signature: Signature) -> dict[str, Inputs]:
    """Name of each bank -> its inputs, the usual probes first.

    Args:
        signature: of the whole generator.
    """
    usual = _usual(signature, PROBE_COUNT)
    banks = {USUAL: usual, **dict(_further(signature, usual))}
    for height, width in _other_sizes(signature):
        banks[f"size {height}x{width}"] = _usual(signature.with_size(height, width), _FEW_PROBES)
    return banks


def _usual(signature: Signature, count: int) -> Inputs:
    inputs = signature.example(count)
    for field in signature.inputs:
        put_edges(field, inputs[field.name])
    numbers = [field for field in signature.inputs if is_ranged(field)]
    put_ranged(numbers, [inputs[field.name] for field in numbers])
    return inputs


def _further(signature: Signature, usual: Inputs) -> Iterator[tuple[str, Inputs]]:
    """Names and inputs of the further banks of the usual size."""
    if (seed := signature.field(Role.SEED)) is not None:
        seeds = further_seeds(seed)
        yield "seeds", {**_plain(signature, len(seeds)), seed.name: seeds}
    missing = {
        field.name: np.setdiff1d(choices(field), usual[field.name])
        for field in signature.inputs
        if len(choices(field))
    }
    if most := max(map(len, missing.values()), default=0):
        chosen = {name: np.resize(values, most) for name, values in missing.items() if len(values)}
        yield "labels", {**_plain(signature, most), **chosen}
    if has_extremes(signature.inputs):
        inputs = signature.example(_EXTREME_PROBES)
        put_extremes(signature.inputs, [inputs[field.name] for field in signature.inputs])
        yield EXTREMES, inputs


def _plain(signature: Signature, count: int) -> Inputs:
    """Drawn inputs; a sampler takes few steps, and arrays come again and again, which keeps the file small."""
    inputs = signature.example(count)
    for field in signature.inputs:
        if field.role is Role.STEPS:
            inputs[field.name][:] = max(_FEW_STEPS, int(field.minimum or 1))
        elif field.shape:
            few = signature.example(min(count, PERIOD))[field.name]
            inputs[field.name] = few[np.arange(count) % PERIOD]
    return inputs


def _other_sizes(signature: Signature) -> list[Size]:
    """Sizes of a generator with free size: the smallest, one twice as wide as usual, and the tallest."""
    source = signature.sized_by
    if source is None:
        return []
    height, width, _ = source.usual_shape
    (least, *_), (most, *_) = source.extreme_shapes
    sizes = ((least, least), (height, source.nearest_side(2 * width)), (most, least))
    return list(dict.fromkeys(size for size in sizes if size != (height, width)))
