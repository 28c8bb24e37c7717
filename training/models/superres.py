"""Super-resolution: a small image -> the large one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field as Constraint
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ...errors import UsageError
from ...signature import Signature
from ...signature.fields import source_field
from ..data.dataset import Batch
from ..data.pixels import from_pixels, to_pixels
from ..networks.generator import Generator as BaseGenerator
from ..networks.image_to_image import MOST_TIMES
from ..networks.layers import LEAK, ResidualBlock, scaled_convolution
from ..objectives.augment import augment_jointly
from ..objectives.task import GeneratorTask, LossStep
from ..randomness import Draw
from ..recipe import Count, Positive, Rate, Recipe as BaseRecipe
from .base import check_image_shape

__all__ = ["SMALLEST", "Generator", "Recipe", "Task", "reduced"]

FACTORS = (2, 4, 8)


SMALLEST = {"data": "shapes", "width": 4, "blocks": 1}


class Recipe(BaseRecipe):
    """Keys of a super-resolution training.

    Args:
        factor: enlargement: 2, 4 or 8.
        width: channels at the source's resolution; each doubling halves them.
        blocks: residual blocks at the source's resolution.
        lr, beta1, beta2: of Adam.
    """

    factor: int = 4
    width: Annotated[int, Constraint(ge=1, le=1024)] = 64
    blocks: Annotated[int, Constraint(ge=0, le=64)] = 8
    lr: Positive = 1e-3
    beta1: Rate = 0.9
    beta2: Rate = 0.99
    stats_nimg: Count = 10_000


class Generator(BaseGenerator):
    """A residual network at the source's resolution, added to a bilinear enlargement (Lim et al. 2017).

    Args:
        resolution: height and width in pixels.
        channels: 1 (grey) or 3 (RGB).
        factor: enlargement of the source: 2, 4 or 8.
        width: channels at the source's resolution; each doubling halves them.
        blocks: residual blocks at the source's resolution.
    """

    latent_size = 0

    def __init__(
        self, *, resolution: int = 64, channels: int = 3, factor: int = 4, width: int = 64, blocks: int = 8
    ) -> None:
        super().__init__(resolution=resolution, channels=channels, factor=factor, width=width, blocks=blocks)
        check_image_shape(resolution, channels)
        if factor not in FACTORS or resolution % factor:
            raise UsageError(
                f"factor {factor} is not allowed for pictures of {resolution}x{resolution}; expected 2, 4 or 8,"
                " a divisor of the resolution (--set factor=...)"
            )
        self.factor = factor
        layers: list[nn.Module] = [scaled_convolution(channels, width, 3)]
        layers += [ResidualBlock(width, blocks, group_size=width) for _ in range(blocks)]
        layers += [nn.LeakyReLU(LEAK)]
        for _ in range(factor.bit_length() - 1):
            layers += [
                scaled_convolution(width, 4 * max(width // 2, 8), 3),
                nn.PixelShuffle(2),
                nn.LeakyReLU(LEAK),
            ]
            width = max(width // 2, 8)
        self.layers = nn.Sequential(*layers, scaled_convolution(width, channels, 3, gain=0.1))

    def forward(self, source: Tensor) -> Tensor:
        """FP32 (batch, channels, height / factor, width / factor) -> FP32 (batch, channels, height, width).

        Both are in [-1, 1]; edges may overshoot.
        """
        enlarged = interpolate(source, scale_factor=self.factor, mode="bilinear", align_corners=False)
        return enlarged + self.layers(source)

    def sides(self) -> range:
        """Any size: convolutions pad with zeros."""
        small = self.architecture["resolution"] // self.factor
        return range(min(4, small), MOST_TIMES * small + 1)

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        """Small image in, large image out."""
        resolution, channels = self.architecture["resolution"], self.architecture["channels"]
        small = resolution // self.factor
        return Signature(inputs=(source_field(small, small, channels),), output=self.image_field)

    def degrade(self, images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """The reduced images."""
        small = reduced(from_pixels(torch.from_numpy(images)), self.factor)
        return {"source": to_pixels(small).numpy()}


def reduced(images: Tensor, factor: int) -> Tensor:
    """Reduce images by antialiased bicubic interpolation, rounded to whole grey levels.

    Args:
        images: FP32 of shape (batch, channels, height, width) in [-1, 1].
        factor: divides height and width.
    """
    small = interpolate(images, scale_factor=1 / factor, mode="bicubic", align_corners=False, antialias=True)
    return ((small + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1


class Task(GeneratorTask):
    """Learns to restore the images of the data from reduced ones."""

    network = Generator

    def losses(self, batch: Batch, draw: Draw) -> Iterator[LossStep]:
        """The mean absolute error; the squared error is recorded."""
        assert isinstance(self.generator, Generator)
        (images,) = augment_jointly(draw, 0, batch.images)
        error = self.generator(reduced(images, self.generator.factor)).float() - images
        yield LossStep("generator", error.abs().mean(), {"squared_error": error.square().mean()})
