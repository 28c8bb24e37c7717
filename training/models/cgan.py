"""Class-conditional DCGAN: conditional batch normalisation against a projection discriminator."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from ...errors import UsageError
from ...signature import Signature
from ...signature.fields import label_field, seed_field, truncation_field
from ..data.dataset import Dataset
from ..networks.generator import Generator as BaseGenerator
from ..networks.layers import (
    ConditionalBatchNorm2d,
    Norm,
    downsampler,
    first_side,
    maybe_spectral_norm,
    upsamplers,
    widths,
)
from ..objectives.gan import AdversarialRecipe, AdversarialTask
from .base import check_image_shape

__all__ = ["SMALLEST", "Discriminator", "Generator", "Recipe", "Task"]


SMALLEST = {"data": "digits", "width": 4, "discriminator_width": 4, "latent_size": 5}


class Recipe(AdversarialRecipe):
    """Keys of a conditional GAN: those of every GAN, and the spectral norm.

    Args:
        spectral_norm: of the discriminator's weights, as in `dcgan`.
        norm: of the generator, as in `dcgan`.
    """

    spectral_norm: bool = True
    norm: Norm = "batch"


class Generator(BaseGenerator):
    """Noise and a class -> image by transposed convolutions (Radford et al. 2016; Miyato and Koyama 2018).

    Args:
        classes: number of classes.
        resolution: height and width in pixels, 4 to 7 times a power of two.
        channels: 1 (grey) or 3 (RGB).
        latent_size: noise values per image.
        width: channels of the last hidden layer; each earlier layer has twice as many.
        norm: one of `layers.NORMS`.
    """

    def __init__(
        self,
        *,
        classes: int = 10,
        resolution: int = 32,
        channels: int = 1,
        latent_size: int = 64,
        width: int = 96,
        norm: Norm = "batch",
    ) -> None:
        # The usual norm is left out, so that earlier versions of litho read the snapshot.
        chosen = {} if norm == "batch" else {"norm": norm}
        super().__init__(
            classes=classes,
            resolution=resolution,
            channels=channels,
            latent_size=latent_size,
            width=width,
            **chosen,
        )
        check_image_shape(resolution, channels)
        self.latent_size = latent_size
        features, side = widths(resolution, width), first_side(resolution)
        self.embedding = nn.Embedding(classes, latent_size)
        self.project = nn.Linear(2 * latent_size, features[0] * side**2, bias=False)
        self.first = (features[0], side, side)
        nn.init.normal_(self.project.weight, 0.0, 0.02)
        self.norms = nn.ModuleList(ConditionalBatchNorm2d(count, classes, norm) for count in features)
        self.upsamplers = upsamplers((*features, channels))

    def forward(self, latent: Tensor, label: Tensor, truncation: Tensor | None = None) -> Tensor:
        """FP32 (batch, latent_size), INT64 (batch,) -> FP32 (batch, channels, height, width) in [-1, 1].

        The truncation, FP32 of shape (batch,) in [0, 1], multiplies the latent; training does not use it.
        """
        if truncation is not None:
            latent = latent * truncation[:, None]
        features = self.project(torch.cat((latent, self.embedding(label)), 1)).unflatten(1, self.first)
        for norm, upsample in zip(self.norms, self.upsamplers, strict=True):
            features = upsample(torch.relu(norm(features, label)))
        return torch.tanh(features)

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        """Seed, label and truncation in, picture out."""
        classes = self.architecture["classes"]
        names = class_names or tuple(str(number) for number in range(classes))
        inputs = (seed_field(), label_field(names), truncation_field())
        return Signature(inputs=inputs, output=self.image_field)


class Discriminator(nn.Module):
    """Projection discriminator of images and their class (Miyato and Koyama 2018, eq. 3).

    Args:
        classes: number of classes.
        resolution, channels: of the pictures.
        width: channels of the first layer; each later layer has twice as many.
        spectral_norm: apply the spectral norm to all weights.
    """

    def __init__(
        self, classes: int, resolution: int, channels: int, width: int, *, spectral_norm: bool = True
    ) -> None:
        super().__init__()
        features = tuple(reversed(widths(resolution, width)))
        self.features = downsampler((channels, *features), spectral=spectral_norm)
        count = features[-1] * first_side(resolution) ** 2
        # The last features are not pooled, because the position of a stroke distinguishes digits.
        self.linear = maybe_spectral_norm(nn.Linear(count, 1), spectral_norm)
        embedding = nn.Embedding(classes, count)
        if not spectral_norm:
            nn.init.normal_(embedding.weight, 0.0, count**-0.5)
        self.embedding = maybe_spectral_norm(embedding, spectral_norm)

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        """(batch, channels, height, width) in [-1, 1], INT64 (batch,) -> logits of shape (batch,)."""
        features = self.features(images).flatten(1)
        return self.linear(features)[:, 0] + (self.embedding(label) * features).sum(1)


class Task(AdversarialTask):
    """A conditional generator and its projection discriminator."""

    networks = (Generator, Discriminator)
    conditional = True

    @classmethod
    def build(cls, recipe: Any, dataset: Dataset) -> Self:
        """Build the networks of a recipe for a dataset of square, labelled images."""
        if dataset.labels is None:
            raise UsageError(f"data {dataset.name!r} has no labels; family 'cgan' needs them: take 'dcgan'")
        return super().build(recipe, dataset)
