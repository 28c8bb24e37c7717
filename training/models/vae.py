"""Variational autoencoder: a convolutional decoder that is served, and the encoder that it learns from."""

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
from ...signature.fields import image_output, seed_field, source_field
from ..data.dataset import Batch, Dataset
from ..networks.generator import Generator as BaseGenerator
from ..networks.layers import LEAK, ResidualBlock, first_side, widths
from ..objectives.losses import gaussian_divergence, gaussian_log_likelihood
from ..objectives.task import LossStep
from ..objectives.task import Task as BaseTask
from ..randomness import Draw
from ..recipe import Count, Positive, Rate
from ..recipe import Recipe as BaseRecipe
from .base import check_image_shape, square_image_shape

__all__ = ["SMALLEST", "Generator", "Recipe", "Reconstruction", "Task"]

Likelihood = Literal["bernoulli", "gaussian"]

_LEAST_LOG_SCALE = math.log(1 / 127.5)
"""One grey level: a narrower Gaussian would only measure the rounding of the pixels."""


SMALLEST = {"data": "digits", "width": 4, "latent_size": 5, "blocks": 1}


class Recipe(BaseRecipe):
    """Keys of a VAE's training.

    Args:
        likelihood: of a picture given its latent: "bernoulli" for pixels drawn black or white anew each time,
            "gaussian" for pixels with one learned variance.
        latent_size: values of noise per picture.
        width: channels at half the picture's resolution; each stage below has twice as many.
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
    """p(z) = N(0, 1), p(x|z) and q(z|x), all in one module; as a generator it gives the mean of p(x|z).

    The encoder stays beside the decoder so that both are averaged, kept and measured together
    (`metrics.likelihood.LatentVariableModel`); a graph fed with seeds or latents holds the decoder alone, one fed
    with images both.

    Args:
        likelihood: "bernoulli" or "gaussian".
        resolution: height and width of the picture in pixels, 4 to 7 doubled again and again.
        channels: 1 (grey) or 3 (RGB).
        latent_size: values of noise per picture.
        width: channels at half the picture's resolution; each stage below has twice as many.
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
            raise UsageError(f"likelihood {likelihood!r} is not allowed; it must be bernoulli or gaussian")
        check_image_shape(resolution, channels)
        self.latent_size, self.likelihood = latent_size, likelihood
        counts, side = widths(resolution, width), first_side(resolution)
        first = (counts[0], side, side)
        self.encoder = _encoder((channels, *reversed(counts)), blocks, math.prod(first), latent_size)
        self.decoder = _decoder((*counts, channels), blocks, first, latent_size)
        # Wide at first, as the pixels are: the sooner pictures are learned, the sooner it narrows by itself.
        self.log_scale = nn.Parameter(torch.zeros(())) if likelihood == "gaussian" else None

    def forward(self, latent: Tensor) -> Tensor:
        """FP32 (batch, latent_size) -> the mean of p(x|z), FP32 (batch, channels, height, width).

        [-1, 1] is black to white; of a Gaussian the mean may lie beyond.
        """
        pixels = self.decoder(latent)
        return torch.sigmoid(pixels) * 2 - 1 if self.likelihood == "bernoulli" else pixels

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        """Seed in, picture out."""
        resolution = self.architecture["resolution"]
        return Signature(
            inputs=(seed_field(),), output=image_output(resolution, resolution, self.architecture["channels"])
        )

    def forms(self, signature: Signature) -> dict[str, tuple[BaseGenerator, Signature]]:
        """Fed with images, a `Reconstruction`."""
        reconstruction = Reconstruction(self)
        return {**super().forms(signature), "image": (reconstruction, reconstruction.signature())}

    def observe(self, images: Tensor, uniform: Tensor) -> Tensor:
        """What p(x|z) is a density of: pixels drawn black or white by their brightness, or the images themselves.

        Args:
            images: FP32 of shape (batch, channels, height, width) in [-1, 1].
            uniform: FP32 of the same shape in [0, 1); decides what is drawn.
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
        """log p(x|z) in nats, summed over the pixels; a density in [-1, 1] where it is a Gaussian.

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
    """Image -> the mean of p(x|z) where z is the mean of q(z|x): nothing is left to chance.

    A Bernoulli model sees every pixel as black or white, whichever is nearer.

    Args:
        model: whose encoder and decoder are used.
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
        side, channels = self.architecture["resolution"], self.architecture["channels"]
        return Signature(
            inputs=(source_field(side, side, channels),), output=image_output(side, side, channels)
        )


class Task(BaseTask):
    """Maximises the evidence lower bound (Kingma and Welling 2014, eq. 3)."""

    def __init__(self, recipe: Recipe, generator: Generator) -> None:
        super().__init__()
        self.recipe, self.generator = recipe, generator

    @classmethod
    def build(cls, recipe: Recipe, dataset: Dataset) -> Task:
        """The autoencoder of a recipe, sized for a dataset of square images; labels are not looked at."""
        resolution, channels = square_image_shape(dataset, "vae")
        generator = Generator(
            likelihood=recipe.likelihood,
            resolution=resolution,
            channels=channels,
            latent_size=recipe.latent_size,
            width=recipe.width,
            blocks=recipe.blocks,
        )
        return cls(recipe, generator)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One Adam for encoder and decoder."""
        betas = (self.recipe.beta1, self.recipe.beta2)
        return {
            "autoencoder": torch.optim.Adam(self.generator.parameters(), self.recipe.lr, betas, fused=True)
        }

    def losses(self, batch: Batch, draw: Draw) -> Iterator[LossStep]:
        """The negative bound, its divergence weighted by how far the warm-up is."""
        assert isinstance(self.generator, Generator)
        observations = self.generator.observe(batch.images, draw.uniform(*batch.images.shape[1:]))
        mean, log_variance = self.generator.encode(observations)
        latent = mean + (log_variance / 2).exp() * draw.normal(self.generator.latent_size)
        reconstruction = -self.generator.log_likelihood(observations, latent).mean()
        divergence = gaussian_divergence(mean, log_variance).mean()
        yield LossStep(
            "autoencoder",
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
