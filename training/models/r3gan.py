"""R3GAN (Huang et al. 2024), implemented from the paper: residual networks without normalisation."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Self

import torch
from pydantic import Field as Constraint
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pixel_shuffle, pixel_unshuffle

from ...errors import UsageError
from ..data.dataset import Dataset
from ..networks.generator import Generator as BaseGenerator
from ..networks.layers import ResidualBlock, first_side, halvings, scaled_convolution
from ..objectives.gan import AdversarialRecipe, AdversarialTask, Loss
from ..recipe import Positive
from .base import check_image_shape

__all__ = ["SMALLEST", "Discriminator", "Generator", "Recipe", "Task"]


SMALLEST = {"data": "digits", "width": 4, "discriminator_width": 4, "latent_size": 5, "blocks": 1}


class Recipe(AdversarialRecipe):
    """Keys of an R3GAN: those of every GAN, with the pairwise loss and both gradient penalties at every step.

    Args:
        width, discriminator_width: channels at full resolution; each smaller stage has twice as many, up to
            `most_channels`.
        most_channels: of any stage.
        blocks: residual blocks of each stage.
        patch: side in pixels of the blocks that the generator's last and the discriminator's first layer handle; above
            1 the largest and most expensive stages are left out.
        channels_last: keep the generator's features in the layout of its weights while it trains, which takes a third
            of the time off a step on a CPU and rounds other last bits; False leaves older runs as they were.
    """

    width: Annotated[int, Constraint(ge=1, le=1024)] = 32
    discriminator_width: Annotated[int, Constraint(ge=1, le=1024)] = 32
    most_channels: Annotated[int, Constraint(ge=1, le=4096)] = 256
    blocks: Annotated[int, Constraint(ge=1, le=32)] = 2
    patch: Annotated[int, Constraint(ge=1, le=8)] = 1
    channels_last: bool = False
    loss: Loss = "relativistic"
    r1_gamma: Annotated[float, Constraint(ge=0, allow_inf_nan=False)] = 1.0
    r2_gamma: Annotated[float, Constraint(ge=0, allow_inf_nan=False)] = 1.0
    lr: Positive = 2e-4
    discriminator_lr: Positive = 2e-4


class Generator(BaseGenerator):
    """Noise -> image: a learned 4x4 basis, then stages of residual blocks with bilinear upsampling between them.

    Args:
        resolution: height and width in pixels, 4 to 7 times a power of two.
        channels: 1 (grey) or 3 (RGB).
        latent_size: noise values per image.
        width: channels at full resolution; each smaller stage has twice as many, up to `most_channels`.
        most_channels: of any stage.
        blocks: residual blocks of each stage.
        patch: side in pixels of the blocks that the last layer outputs.

    Attributes:
        channels_last: whether features have this layout in training mode; pictures in eval mode never depend on it.
    """

    channels_last = False

    def __init__(  # noqa: PLR0913
        self,
        *,
        resolution: int = 32,
        channels: int = 3,
        latent_size: int = 64,
        width: int = 32,
        most_channels: int = 256,
        blocks: int = 2,
        patch: int = 1,
    ) -> None:
        super().__init__(
            resolution=resolution,
            channels=channels,
            latent_size=latent_size,
            width=width,
            most_channels=most_channels,
            blocks=blocks,
            patch=patch,
        )
        _check_patches(resolution, channels, patch)
        self.latent_size, self.patch = latent_size, patch
        features, side = _stages(resolution // patch, width, most_channels), first_side(resolution // patch)
        # Each value of the linear layer weights one learned side x side map: the paper's "generative basis".
        self.weigh = nn.Linear(latent_size, features[0], bias=False)
        nn.init.normal_(self.weigh.weight, 0.0, latent_size**-0.5)
        self.basis = nn.Parameter(torch.randn(features[0], side, side))
        self.stages = nn.ModuleList(_blocks(count, blocks, len(features)) for count in features)
        self.doublings = nn.ModuleList(_Double(before, after) for before, after in pairwise(features))
        self.pixels = scaled_convolution(features[-1], channels * patch**2, 1)

    def forward(self, latent: Tensor) -> Tensor:
        """FP32 (batch, latent_size) -> FP32 (batch, channels, height, width).

        [-1, 1] is black to white; the output is unbounded.
        """
        features = self.basis * self.weigh(latent)[:, :, None, None]
        if self.channels_last and self.training:
            features = features.contiguous(memory_format=torch.channels_last)
        for stage, double in zip(self.stages, self.doublings, strict=False):
            features = double(stage(features))
        return pixel_shuffle(self.pixels(self.stages[-1](features)), self.patch)


class Discriminator(nn.Module):
    """Discriminator: the generator's stages in reverse order.

    Args:
        resolution, channels: of the pictures.
        width: channels at full resolution; each smaller stage has twice as many, up to `most_channels`.
        most_channels: of any stage.
        blocks: residual blocks of each stage.
        patch: side in pixels of the blocks that the first layer reads.
    """

    def __init__(
        self, resolution: int, channels: int, width: int, most_channels: int, blocks: int, patch: int = 1
    ) -> None:
        super().__init__()
        self.patch = patch
        features = tuple(reversed(_stages(resolution // patch, width, most_channels)))
        side = first_side(resolution // patch)
        self.pixels = scaled_convolution(channels * patch**2, features[0], 1)
        self.stages = nn.ModuleList(_blocks(count, blocks, len(features)) for count in features)
        self.halvings = nn.ModuleList(_Halve(before, after) for before, after in pairwise(features))
        self.basis = nn.Parameter(torch.randn(features[-1], side, side) / side)
        self.logit = nn.Linear(features[-1], 1, bias=False)
        nn.init.normal_(self.logit.weight, 0.0, features[-1] ** -0.5)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) -> logits of shape (batch,)."""
        features = self.pixels(pixel_unshuffle(images, self.patch))
        for stage, halve in zip(self.stages, self.halvings, strict=False):
            features = halve(stage(features))
        return self.logit((self.stages[-1](features) * self.basis).sum((2, 3)))[:, 0]


class Task(AdversarialTask):
    """An R3GAN's generator and discriminator."""

    networks = (Generator, Discriminator)

    @classmethod
    def build(cls, recipe: Any, dataset: Dataset) -> Self:
        """The networks of a recipe, in the layout that it asks for."""
        task = super().build(recipe, dataset)
        assert isinstance(task.generator, Generator)
        task.generator.channels_last = recipe.channels_last
        return task


class _Double(nn.Module):
    """Change the channels, then double the size bilinearly; in this order the convolution is cheaper."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.channels = scaled_convolution(before, after, 1, bias=False) if before != after else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        return interpolate(self.channels(features), scale_factor=2.0, mode="bilinear", align_corners=False)


class _Halve(nn.Module):
    """Halve the size bilinearly, then change the channels."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.channels = scaled_convolution(before, after, 1, bias=False) if before != after else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        # Bilinear interpolation to half the size is the mean of 2x2 pixels.
        return self.channels(avg_pool2d(features, 2))


def _check_patches(resolution: int, channels: int, patch: int) -> None:
    check_image_shape(resolution, channels)
    if patch < 1 or resolution % patch or first_side(resolution // patch) > 7:
        raise UsageError(
            f"patch {patch} is not allowed with resolution {resolution}; expected resolution / patch to be 4, 5, 6 or"
            " 7 times a power of two (--set patch=...)"
        )
    check_image_shape(resolution // patch, channels)


def _stages(resolution: int, width: int, most_channels: int) -> tuple[int, ...]:
    """Channels of the stages, smallest first."""
    return tuple(min(width << power, most_channels) for power in reversed(range(halvings(resolution) + 1)))


def _blocks(channels: int, blocks: int, stages: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels, blocks * stages) for _ in range(blocks)))
