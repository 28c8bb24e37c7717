"""Likelihood of test images under a latent variable model, reconstructions and latent traversals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....reporting import picture_grid
from ....signature.fields import Role
from ....signature.noise import gaussian
from ...data.pixels import from_pixels
from ...metrics.likelihood import (
    IMPORTANCE_SAMPLES,
    LatentVariableModel,
    evidence_bounds,
    importance_weighted_nll,
    log_weights,
)
from ..context import EvaluationContext, spread
from ..document import Figure
from .base import Measured, Panel, Part as BasePart

__all__ = ["Part"]

IMAGES_AT_ONCE = 100
RECONSTRUCTED = 10
TRAVERSED = 10
EXTENT = 2.5
STEPS = 9


class Part(BasePart):
    """Bounds on the negative log likelihood, without a baseline: the likelihood of noise says nothing."""

    title = "Likelihood"
    position = 6

    def applies(self, context: EvaluationContext) -> bool:
        """Generators that implement `LatentVariableModel`."""
        return isinstance(context.generator, LatentVariableModel)

    def measure(self, context: EvaluationContext) -> Measured:
        """The importance-weighted bound and the negative evidence lower bound, of the test images."""
        images = context.test.images[spread(min(context.samples, len(context.test)), len(context.test))]
        weights = torch.cat(list(_weights(context, images)))
        bounds = {
            f"NLL, {IMPORTANCE_SAMPLES} importance samples": importance_weighted_nll(weights),
            "negative ELBO": -evidence_bounds(weights),
        }
        figures = tuple(
            Figure(metric=name, unit="nats", value=float(values.mean()), better="lower", n=len(images))
            for name, values in bounds.items()
        )
        panels = () if context.has(Role.LABEL) else (_reconstructions(context, images), _traversals(context))
        return Measured(figures, panels)


def _weights(context: EvaluationContext, images: NDArray[np.uint8]) -> Iterator[Tensor]:
    random = torch.Generator().manual_seed(0)
    for part in torch.from_numpy(images).split(IMAGES_AT_ONCE):
        model, observations = _observed(context, part, random)
        yield log_weights(model, observations, random)


def _observed(
    context: EvaluationContext, images: Tensor, random: torch.Generator
) -> tuple[LatentVariableModel, Tensor]:
    model = context.generator
    assert isinstance(model, LatentVariableModel)
    floats = from_pixels(images)
    uniform = torch.rand(floats.shape, generator=random)
    return model, model.observe(floats.to(context.device), uniform.to(context.device))


def _reconstructions(context: EvaluationContext, images: NDArray[np.uint8]) -> Panel:
    shown = images[spread(min(RECONSTRUCTED, len(images)), len(images))]
    with torch.inference_mode():
        model, observations = _observed(context, torch.from_numpy(shown), torch.Generator().manual_seed(0))
        mean, _ = model.encode(observations)
    made = context.make({"latent": mean.float().cpu().numpy()}, latent=True)
    grid = picture_grid(
        np.concatenate([shown, made]), columns=len(shown), row_names=("test image", "reconstruction")
    )
    return Panel(grid, "Test images, and pictures of the means of their latents.")


def _traversals(context: EvaluationContext) -> Panel:
    """Each latent value varied alone over the prior; those that change the picture most come first."""
    size = context.generator.latent_size
    origin = gaussian(np.zeros(1, np.int64), size)
    extents = np.linspace(-EXTENT, EXTENT, STEPS, dtype=np.float32)
    latents = np.repeat(origin, size * STEPS, 0).reshape(size, STEPS, size)
    latents[np.arange(size), :, np.arange(size)] = extents
    pictures = context.make({"latent": latents.reshape(-1, size)}, latent=True).astype(np.int16)
    rows = pictures.reshape(size, STEPS, *pictures.shape[1:])
    change = np.abs(rows[:, 0] - rows[:, -1]).mean(axis=(1, 2, 3))
    shown = np.argsort(-change, kind="stable")[:TRAVERSED]
    grid = picture_grid(
        rows[shown].reshape(-1, *pictures.shape[1:]).astype(np.uint8),
        columns=STEPS,
        row_names=[f"z{number}" for number in shown],
        column_names=[f"{extent:+.1f}" for extent in extents],
    )
    caption = f"The {len(shown)} of {size} latent values that change most, each varied alone from seed 0."
    return Panel(grid, caption)
