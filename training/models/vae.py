"""Variational autoencoder with a convolutional encoder and decoder; the decoder is served."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal, get_args

import torch
from pydantic import Field as Constraint
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ...errors import UsageError
from ...signature import Signature
from ..data.dataset import Batch
from ..networks.generator import Generator as BaseGenerator
from ..networks.layers import LEAK, ResidualBlock, first_side, widths
from ..objectives.losses import gaussian_divergence, gaussian_log_likelihood
from ..objectives.task import GeneratorTask, LossStep
from ..randomness import Draw
from ..recipe import Count, Positive, Rate, Recipe as BaseRecipe
from .base import check_image_shape

__all__ = ["SMALLEST", "Generator", "Recipe", "Reconstruction", "Task"]

Likelihood = Literal["bernoulli", "gaussian"]

_LEAST_LOG_SCALE = math.log(1 / 127.5)
"""One grey level; a narrower Gaussian would model the rounding of the pixels."""


SMALLEST = {"data": "digits", "width": 4, "latent_size": 5, "blocks": 1}


class Recipe(BaseRecipe):
    """Keys of a VAE's training.

    Args:
        likelihood: of an image given its latent: "bernoulli" for pixels binarised at random in every step, "gaussian"
            for pixels with one learned variance.
        latent_size: noise values per image.
        width: channels at half resolution; each smaller stage has twice as many.
        blocks: residual blocks of each stage, in encoder and decoder.
        warm_up_nimg: images over which the weight of the divergence grows from 0 to 1 (Bowman et al. 2016).
        lr, beta1, beta2: of Adam.
    """

    likelihood: Likelihood = "bernoulli"
    latent_size: Annotated[int, Constraint(ge=1, le=4096)] = 50
    width: Annotated[int, Constraint(ge=1, le=1024)] = 32
    blocks: Annotated[int, Constraint(ge=0, le=32)] = 1
    warm_up_nimg: Annotated[int, Constraint(ge=0)] = 0
    lr: Positive = 1e-3
    beta1: Rate = 0.9
    beta2: Rate = 0.999
    stats_nimg: Count = 10_000


class Generator(BaseGenerator):
    """p(z) = N(0, 1), p(x|z) and q(z|x) in one module; as a generator it returns the mean of p(x|z).

    Encoder and decoder are averaged, saved and evaluated together (`metrics.likelihood.LatentVariableModel`). A graph
    of seeds or latents contains only the decoder, a graph of images both.

    Args:
        likelihood: "bernoulli" or "gaussian".
        resolution: height and width in pixels, 4 to 7 times a power of two.
        channels: 1 (grey) or 3 (RGB).
        latent_size: noise values per image.
        width: channels at half resolution; each smaller stage has twice as many.
        blocks: residual blocks of each stage.
    """

    def __init__(
        self,
        *,
        likelihood: Likelihood = "bernoulli",
        resolution: int = 28,
        channels: int = 1,
        latent_size: int = 50,
        width: int = 32,
        blocks: int = 1,
    ) -> None:
        super().__init__(
            likelihood=likelihood,
            resolution=resolution,
            channels=channels,
            latent_size=latent_size,
            width=width,
            blocks=blocks,
        )
        if likelihood not in get_args(Likelihood):
            raise UsageError(f"likelihood {likelihood!r} is not allowed; expected bernoulli or gaussian")
        check_image_shape(resolution, channels)
        self.latent_size, self.likelihood = latent_size, likelihood
        counts, side = widths(resolution, width), first_side(resolution)
        first = (counts[0], side, side)
        self.encoder = _encoder((channels, *reversed(counts)), blocks, math.prod(first), latent_size)
        self.decoder = _decoder((*counts, channels), blocks, first, latent_size)
        # Initially as wide as the pixel range; training narrows it.
        self.log_scale = nn.Parameter(torch.zeros(())) if likelihood == "gaussian" else None

    def forward(self, latent: Tensor) -> Tensor:
        """FP32 (batch, latent_size) -> the mean of p(x|z), FP32 (batch, channels, height, width).

        [-1, 1] is black to white; the mean of a Gaussian may exceed it.
        """
        pixels = self.decoder(latent)
        return torch.sigmoid(pixels) * 2 - 1 if self.likelihood == "bernoulli" else pixels

    def forms(self, signature: Signature) -> dict[str, tuple[BaseGenerator, Signature]]:
        """The usual forms, and a `Reconstruction` of images."""
        reconstruction = Reconstruction(self)
        return {**super().forms(signature), "image": (reconstruction, reconstruction.signature())}

    def observe(self, images: Tensor, uniform: Tensor) -> Tensor:
        """The observations x of p(x|z): pixels binarised at random by their brightness, or the images themselves.

        Args:
            images: FP32 of shape (batch, channels, height, width) in [-1, 1].
            uniform: random numbers in [0, 1), FP32 of the same shape.
        """
        if self.likelihood == "gaussian":
            return images
        return (uniform < (images + 1) / 2).to(images.dtype) * 2 - 1

    def encode(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """FP32 (batch, channels, height, width) -> mean and logarithm of the variance of q(z|x).

        Both are FP32 of shape (batch, latent_size).
        """
        mean, log_variance = self.encoder(observations).float().chunk(2, 1)
        return mean, log_variance

    def log_likelihood(self, observations: Tensor, latent: Tensor) -> Tensor:
        """log p(x|z) in nats, summed over the pixels; for a Gaussian a density in [-1, 1].

        Args:
            observations: FP32 of shape (batch, channels, height, width), from `observe`.
            latent: FP32 of shape (batch, latent_size).

        Returns:
            FP32 of shape (batch,).
        """
        pixels = self.decoder(latent).float()
        if self.log_scale is None:
            bits = (observations + 1) / 2
            return -binary_cross_entropy_with_logits(pixels, bits, reduction="none").flatten(1).sum(1)
        log_scale = self.log_scale.clamp(min=_LEAST_LOG_SCALE)
        return gaussian_log_likelihood(observations, pixels, log_scale).flatten(1).sum(1)


class Reconstruction(BaseGenerator):
    """Image -> the mean of p(x|z) for z = the mean of q(z|x), without randomness.

    A Bernoulli model rounds every pixel to black or white.

    Args:
        model: with encoder and decoder.
    """

    latent_size = 0

    def __init__(self, model: Generator) -> None:
        super().__init__(**model.architecture)
        self.model = model

    def forward(self, source: Tensor) -> Tensor:
        """FP32 (batch, channels, height, width) in [-1, 1] -> the same."""
        mean, _ = self.model.encode(self.model.observe(source, torch.full_like(source, 0.5)))
        return self.model(mean)

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        """Image in, image out."""
        return Signature(inputs=(self.source_field,), output=self.image_field)


class Task(GeneratorTask):
    """Maximises the evidence lower bound (Kingma and Welling 2014, eq. 3)."""

    network = Generator
    optimizer = "autoencoder"

    def losses(self, batch: Batch, draw: Draw) -> Iterator[LossStep]:
        """The negative evidence lower bound, with the divergence weighted by the warm-up."""
        assert isinstance(self.generator, Generator)
        observations = self.generator.observe(batch.images, draw.uniform(*batch.images.shape[1:]))
        mean, log_variance = self.generator.encode(observations)
        latent = mean + (log_variance / 2).exp() * draw.normal(self.generator.latent_size)
        reconstruction = -self.generator.log_likelihood(observations, latent).mean()
        divergence = gaussian_divergence(mean, log_variance).mean()
        yield LossStep(
            self.optimizer,
            reconstruction + self._divergence_weight(draw.step) * divergence,
            {"negative_bound": reconstruction + divergence, "divergence": divergence},
        )

    def _divergence_weight(self, step: int) -> float:
        nimg = (step + 1) * self.recipe.batch
        return min(1.0, nimg / self.recipe.warm_up_nimg) if self.recipe.warm_up_nimg else 1.0


def _encoder(channels: tuple[int, ...], blocks: int, features: int, latent_size: int) -> nn.Sequential:
    depth = blocks * (len(channels) - 1)
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(LEAK)]
        layers += [ResidualBlock(after, depth) for _ in range(blocks)]
    return nn.Sequential(*layers, nn.LeakyReLU(LEAK), nn.Flatten(), nn.Linear(features, 2 * latent_size))


def _decoder(
    channels: tuple[int, ...], blocks: int, first: tuple[int, int, int], latent_size: int
) -> nn.Sequential:
    depth = blocks * (len(channels) - 1)
    layers: list[nn.Module] = [nn.Linear(latent_size, math.prod(first)), nn.Unflatten(1, first)]
    for before, after in pairwise(channels):
        layers += [ResidualBlock(before, depth) for _ in range(blocks)]
        layers += [nn.LeakyReLU(LEAK), nn.ConvTranspose2d(before, after, 4, 2, 1)]
    return nn.Sequential(*layers)
