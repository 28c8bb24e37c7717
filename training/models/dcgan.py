"""DCGAN: a convolutional generator without conditions (Radford et al. 2016), with today's losses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..networks.generator import Generator as BaseGenerator
from ..networks.layers import (
    Norm,
    downsampler,
    first_side,
    maybe_spectral_norm,
    normalisation,
    upsamplers,
    widths,
)
from ..objectives.gan import AdversarialRecipe, AdversarialTask, Loss
from .base import check_image_shape

__all__ = ["SMALLEST", "Discriminator", "Generator", "Recipe", "Task"]


SMALLEST = {"data": "digits", "width": 4, "discriminator_width": 4, "latent_size": 5}


class Recipe(AdversarialRecipe):
    """A DCGAN's keys: those of every GAN, with the classic loss and a gradient penalty by default.

    Args:
        spectral_norm: of the discriminator's weights; combined with the pairwise loss and both penalties it makes the
            discriminator too weak to prevent mode collapse.
        norm: of the generator: "batch", or "group", which does not depend on the other images of the batch.
    """

    spectral_norm: bool = True
    norm: Norm = "batch"
    loss: Loss = "non-saturating"
    r1_gamma: float = 1.0
    penalty_every: int = 4


class Generator(BaseGenerator):
    """Noise -> image by transposed convolutions (Radford et al. 2016).

    Args:
        resolution: height and width in pixels, 4 to 7 times a power of two.
        channels: 1 (grey) or 3 (RGB).
        latent_size: noise values per image.
        width: channels of the last hidden layer; each earlier layer has twice as many.
        norm: one of `layers.NORMS`.
    """

    def __init__(
        self,
        *,
        resolution: int = 32,
        channels: int = 1,
        latent_size: int = 64,
        width: int = 96,
        norm: Norm = "batch",
    ) -> None:
        # The usual norm is left out, so that earlier versions of litho read the snapshot.
        chosen = {} if norm == "batch" else {"norm": norm}
        super().__init__(
            resolution=resolution, channels=channels, latent_size=latent_size, width=width, **chosen
        )
        check_image_shape(resolution, channels)
        self.latent_size = latent_size
        features, side = widths(resolution, width), first_side(resolution)
        self.project = nn.Linear(latent_size, features[0] * side**2, bias=False)
        self.first = (features[0], side, side)
        nn.init.normal_(self.project.weight, 0.0, 0.02)
        self.norms = nn.ModuleList(normalisation(norm, count) for count in features)
        self.upsamplers = upsamplers((*features, channels))

    def forward(self, latent: Tensor) -> Tensor:
        """FP32 (batch, latent_size) -> FP32 (batch, channels, height, width) in [-1, 1]."""
        features = self.project(latent).unflatten(1, self.first)
        for norm, upsample in zip(self.norms, self.upsamplers, strict=True):
            features = upsample(torch.relu(norm(features)))
        return torch.tanh(features)


class Discriminator(nn.Module):
    """Convolutional discriminator.

    Args:
        resolution, channels: of the pictures.
        width: channels of the first layer; each later layer has twice as many.
        spectral_norm: apply the spectral norm to all weights.
    """

    def __init__(self, resolution: int, channels: int, width: int, *, spectral_norm: bool = True) -> None:
        super().__init__()
        features = tuple(reversed(widths(resolution, width)))
        self.features = downsampler((channels, *features), spectral=spectral_norm)
        count = features[-1] * first_side(resolution) ** 2
        self.linear = maybe_spectral_norm(nn.Linear(count, 1), spectral_norm)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) in [-1, 1] -> logits of shape (batch,)."""
        return self.linear(self.features(images).flatten(1))[:, 0]


class Task(AdversarialTask):
    """A generator and its discriminator."""

    networks = (Generator, Discriminator)
