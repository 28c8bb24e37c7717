"""The likelihood of test images under a model with latent variables, its reconstructions and what each latent does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....reporting import picture_grid
from ....signature.fields import Role
from ....signature.noise import gaussian
from ...metrics.likelihood import (
    IMPORTANCE_SAMPLES,
    LatentVariableModel,
    evidence_bounds,
    importance_weighted_nll,
    log_weights,
)
from ..context import EvaluationContext, spread
from ..document import Figure
from .base import Measured, Panel
from .base import Part as BasePart

__all__ = ["Part"]

IMAGES_AT_ONCE = 100
RECONSTRUCTED = 10
TRAVERSED = 10
EXTENT = 2.5
STEPS = 9


class Part(BasePart):
    """Bounds on the negative log likelihood; no noise beside them, as its likelihood says nothing."""

    title = "Likelihood"
    position = 6

    def applies(self, subject: EvaluationContext) -> bool:
        """To whatever brings what `LatentVariableModel` asks for."""
        return isinstance(subject.generator, LatentVariableModel)

    def measure(self, subject: EvaluationContext) -> Measured:
        """The importance-weighted bound and the negative evidence lower bound, of the test images."""
        images = subject.test.images[spread(min(subject.samples, len(subject.test)), len(subject.test))]
        weights = torch.cat(list(_weights(subject, images)))
        bounds = {
            f"NLL, {IMPORTANCE_SAMPLES} importance samples": importance_weighted_nll(weights),
            "negative ELBO": -evidence_bounds(weights),
        }
        figures = tuple(
            Figure(metric=name, unit="nats", value=float(values.mean()), better="lower", n=len(images))
            for name, values in bounds.items()
        )
        panels = () if subject.has(Role.LABEL) else (_reconstructions(subject, images), _traversals(subject))
        return Measured(figures, panels)


def _weights(subject: EvaluationContext, images: NDArray[np.uint8]) -> Iterator[Tensor]:
    random = torch.Generator().manual_seed(0)
    for start in range(0, len(images), IMAGES_AT_ONCE):
        model, observations = _observed(subject, images[start : start + IMAGES_AT_ONCE], random)
        yield log_weights(model, observations, random)


def _observed(
    subject: EvaluationContext, images: NDArray[np.uint8], random: torch.Generator
) -> tuple[LatentVariableModel, Tensor]:
    model = subject.generator
    assert isinstance(model, LatentVariableModel)
    floats = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    uniform = torch.rand(floats.shape, generator=random)
    return model, model.observe(floats.to(subject.device), uniform.to(subject.device))


def _reconstructions(subject: EvaluationContext, images: NDArray[np.uint8]) -> Panel:
    shown = images[spread(min(RECONSTRUCTED, len(images)), len(images))]
    with torch.inference_mode():
        model, observations = _observed(subject, shown, torch.Generator().manual_seed(0))
        mean, _ = model.encode(observations)
    made = subject.make({"latent": mean.float().cpu().numpy()}, latent=True)
    grid = picture_grid(
        np.concatenate([shown, made]), columns=len(shown), row_names=("test image", "reconstruction")
    )
    return Panel(grid, "Test images, and pictures of the means of their latents.")


def _traversals(subject: EvaluationContext) -> Panel:
    """Each latent value moved alone through the prior, those that change the picture most first."""
    size = subject.generator.latent_size
    origin = gaussian(np.zeros(1, np.int64), size)
    extents = np.linspace(-EXTENT, EXTENT, STEPS, dtype=np.float32)
    latents = np.repeat(origin, size * STEPS, 0).reshape(size, STEPS, size)
    latents[np.arange(size), :, np.arange(size)] = extents
    pictures = subject.make({"latent": latents.reshape(-1, size)}, latent=True).astype(np.int16)
    rows = pictures.reshape(size, STEPS, *pictures.shape[1:])
    change = np.abs(rows[:, 0] - rows[:, -1]).mean(axis=(1, 2, 3))
    shown = np.argsort(-change, kind="stable")[:TRAVERSED]
    grid = picture_grid(
        rows[shown].reshape(-1, *pictures.shape[1:]).astype(np.uint8),
        columns=STEPS,
        row_names=[f"z{number}" for number in shown],
        column_names=[f"{extent:+.1f}" for extent in extents],
    )
    caption = (
        f"The {len(shown)} of {size} latent values that change most, each moved alone; the rest is seed 0's."
    )
    return Panel(grid, caption)
