"""The original GAN: two multilayer perceptrons (Goodfellow et al. 2014), with current stabilisers."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field as Constraint
from torch import Tensor, nn

from ...errors import UsageError
from ..networks.generator import Generator as BaseGenerator
from ..networks.layers import LEAK
from ..objectives.gan import AdversarialRecipe, AdversarialTask, Loss

__all__ = ["SMALLEST", "Discriminator", "Generator", "Recipe", "Task"]

MOST_RESOLUTION = 256


SMALLEST = {"data": "digits", "width": 8, "discriminator_width": 8, "latent_size": 5}


class Recipe(AdversarialRecipe):
    """Keys of a GAN of perceptrons: those of every GAN; the widths are those of all hidden layers.

    The pairwise loss and both gradient penalties replace maxout and dropout.

    Args:
        layers: hidden layers of each network.
    """

    width: Annotated[int, Constraint(ge=1, le=16384)] = 512
    discriminator_width: Annotated[int, Constraint(ge=1, le=16384)] = 512
    layers: Annotated[int, Constraint(ge=1, le=32)] = 3
    loss: Loss = "relativistic"
    r1_gamma: Annotated[float, Constraint(ge=0, allow_inf_nan=False)] = 1.0
    r2_gamma: Annotated[float, Constraint(ge=0, allow_inf_nan=False)] = 1.0


class Generator(BaseGenerator):
    """Noise -> image by fully connected layers with batch normalisation.

    Args:
        resolution: height and width in pixels, 1 to 256.
        channels: 1 (grey) or 3 (RGB).
        latent_size: noise values per image.
        width: units of a hidden layer.
        layers: hidden layers.
    """

    def __init__(
        self,
        *,
        resolution: int = 28,
        channels: int = 1,
        latent_size: int = 64,
        width: int = 512,
        layers: int = 3,
    ) -> None:
        super().__init__(
            resolution=resolution, channels=channels, latent_size=latent_size, width=width, layers=layers
        )
        if not 1 <= resolution <= MOST_RESOLUTION or channels not in (1, 3):
            raise UsageError(
                f"pictures of {resolution}x{resolution}x{channels} are not allowed; expected a resolution of 1 to"
                f" {MOST_RESOLUTION} and 1 (grey) or 3 (RGB) channels"
            )
        self.latent_size = latent_size
        hidden: list[nn.Module] = []
        for before, after in pairwise((latent_size, *[width] * layers)):
            hidden += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.LeakyReLU(LEAK)]
        self.hidden = nn.Sequential(*hidden)
        self.pixels = nn.Linear(width, channels * resolution**2)
        self.shape = (channels, resolution, resolution)

    def forward(self, latent: Tensor) -> Tensor:
        """FP32 (batch, latent_size) -> FP32 (batch, channels, height, width) in [-1, 1]."""
        return torch.tanh(self.pixels(self.hidden(latent))).unflatten(1, self.shape)


class Discriminator(nn.Module):
    """Discriminator of fully connected layers.

    Args:
        resolution, channels: of the pictures.
        width: units of a hidden layer.
        layers: hidden layers.
    """

    def __init__(self, resolution: int, channels: int, width: int, layers: int) -> None:
        super().__init__()
        hidden: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise((channels * resolution**2, *[width] * layers)):
            hidden += [nn.Linear(before, after), nn.LeakyReLU(LEAK)]
        self.hidden = nn.Sequential(*hidden)
        self.logit = nn.Linear(width, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) in [-1, 1] -> logits of shape (batch,)."""
        return self.logit(self.hidden(images))[:, 0]


class Task(AdversarialTask):
    """Two perceptrons, trained against each other."""

    networks = (Generator, Discriminator)
