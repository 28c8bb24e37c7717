"""A grid of samples, and walks from seed to seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....reporting import picture_grid
from ....signature.fields import Role
from ....signature.noise import gaussian
from ..context import EvaluationContext
from .base import Measured, Panel, Part as BasePart

__all__ = ["Part", "between"]

COLUMNS = 10
ROWS = 10
MOST_CLASSES = 20
WALKS = 6
STEPS = 9


class Part(BasePart):
    """Samples, one row per class if there are classes."""

    title = "Samples"
    position = 2

    def applies(self, context: EvaluationContext) -> bool:
        """Generators of seeds, or of seeds and classes."""
        return context.has(Role.SEED) and not any(map(context.has, (Role.IMAGE, Role.MASK, Role.PROMPT)))

    def measure(self, context: EvaluationContext) -> Measured:
        """A grid of samples and a panel of walks."""
        seed, label = context.signature.field(Role.SEED), context.signature.field(Role.LABEL)
        assert seed is not None
        classes = int(label.maximum or 0) + 1 if label else 0
        rows = min(classes, MOST_CLASSES) or ROWS
        inputs: dict[str, NDArray[Any]] = {seed.name: np.arange(rows * COLUMNS)}
        if label:
            inputs[label.name] = np.repeat(np.arange(rows), COLUMNS)
        names = (label.class_names or ())[:rows] if label else ()
        grid = picture_grid(context.make(inputs), columns=COLUMNS, row_names=names)
        caption = f"Seeds 0 to {rows * COLUMNS - 1}{', one row per class' if label else ''}."
        if classes > rows:
            caption = f"{caption[:-1]}; the first {rows} of {classes} classes."
        return Measured(panels=(Panel(grid, caption), self._walks(context)))

    def _walks(self, context: EvaluationContext) -> Panel:
        label = context.signature.field(Role.LABEL)
        ends = gaussian(np.arange(2 * WALKS), context.generator.latent_size).reshape(WALKS, 2, -1)
        latents = np.concatenate([between(start, end, STEPS) for start, end in ends])
        inputs: dict[str, NDArray[Any]] = {"latent": latents}
        if label:
            inputs[label.name] = np.repeat(np.arange(WALKS) % (int(label.maximum or 0) + 1), STEPS)
        grid = picture_grid(context.make(inputs, latent=True), columns=STEPS)
        return Panel(
            grid,
            "Each row walks from one seed's latent to another's, within one class.",
        )


def between(start: NDArray[np.float32], end: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    """Latents on the great circle between two, which are as likely as the ends (White 2016).

    Args:
        start, end: FP32 of shape (latent_size,), not zero.
        steps: number of latents, both ends included; at least 2.

    Returns:
        FP32 of shape (steps, latent_size).
    """
    cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1, 1))
    share = np.linspace(0, 1, steps)[:, None]
    if np.sin(angle) < 1e-6:  # parallel ends define no circle: interpolate linearly
        return ((1 - share) * start + share * end).astype(np.float32)
    weights = np.sin((1 - share) * angle), np.sin(share * angle)
    return ((weights[0] * start + weights[1] * end) / np.sin(angle)).astype(np.float32)
