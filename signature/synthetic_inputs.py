"""Images, masks and other values to try a generator with: repeatable, smooth and rough; knows no signature."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_images", "draw_masks", "draw_values"]

_KNOTS = (2, 4, 8)
"""Values along each side between which the smooth example images are interpolated."""


def draw_images(shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Gradients, clouds and white noise in turn: UINT8 of shape (batch, height, width, channels).

    Args:
        shape: of what is drawn.
        generator: the only source of randomness.
    """
    batch, height, width, channels = shape
    images = generator.integers(0, 256, shape, dtype=np.uint8)
    for kind, knots in enumerate(_KNOTS):
        rows = slice(kind, None, 1 + len(_KNOTS))
        count = len(range(*rows.indices(batch)))
        coarse = generator.random((count, channels, knots, knots), dtype=np.float32) * 256
        smooth = _interpolation(height, knots) @ coarse @ _interpolation(width, knots).T
        images[rows] = np.minimum(smooth, 255).transpose(0, 2, 3, 1)
    return images


def _interpolation(extent: int, knots: int) -> NDArray[np.float32]:
    """Matrix of shape (extent, knots) that draws straight lines between `knots` values."""
    places = np.linspace(0, knots - 1, extent, dtype=np.float32)[:, None]
    return np.maximum(0, 1 - np.abs(places - np.arange(knots, dtype=np.float32)))


def draw_masks(shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.uint8]:
    """One rectangle of 255 in each: UINT8 of shape (batch, height, width, 1), 0 around it.

    Args:
        shape: of what is drawn.
        generator: the only source of randomness.
    """
    inside = np.ones(shape, bool)
    for axis in (1, 2):
        extent = shape[axis]
        length = generator.integers(max(1, extent // 4), max(1, extent // 2), shape[0], endpoint=True)
        first = generator.integers(0, extent - length, endpoint=True)
        places = np.arange(extent)
        along = (first[:, None] <= places) & (places < (first + length)[:, None])
        inside &= np.expand_dims(along, tuple({1, 2, 3} - {axis}))
    return np.where(inside, np.uint8(255), np.uint8(0))


def draw_values(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    limits: tuple[float | int | None, float | int | None],
    generator: np.random.Generator,
) -> NDArray[Any]:
    """Typical values of a condition: uniform between two limits, else standard normal; integers are always uniform.

    With one limit only, the distance from it is that of a normal number from zero.

    Args:
        shape: of what is drawn.
        dtype: FP32, INT64 or UINT8.
        limits: smallest and largest value, both included; None for no limit, which stands for the whole range of
            UINT8, and for a span of 256 of INT64.
        generator: the only source of randomness.
    """
    least, most = limits
    if dtype != np.float32:
        held = np.iinfo(dtype)
        if least is None:
            least = 0 if most is None or most >= 0 else max(held.min, most - 255)
        most = min(held.max, least + 255) if most is None else most
        return generator.integers(math.ceil(least), math.floor(most), shape, dtype, endpoint=True)
    if least is not None and most is not None:
        drawn = generator.random(shape) * (most - least) + least  # in FP64, whose range the span cannot leave
        return drawn.astype(np.float32)
    drawn = generator.standard_normal(shape, dtype=np.float32)
    if least is not None:
        return np.float32(least) + np.abs(drawn)
    return drawn if most is None else np.float32(most) - np.abs(drawn)
