"""Inpainting: an image with a hole -> the complete image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field as Constraint
from torch import Tensor

from ...signature import Signature
from ...signature.fields import mask_field
from ..data.dataset import Batch
from ..networks.generator import Generator as BaseGenerator
from ..networks.image_to_image import UNet
from ..objectives.augment import augment_jointly
from ..objectives.task import GeneratorTask, LossStep
from ..randomness import Draw
from ..recipe import Count, Positive, Rate, Recipe as BaseRecipe
from .base import check_image_shape

__all__ = ["SMALLEST", "Generator", "Recipe", "Task", "holes"]


SMALLEST = {"data": "digits", "width": 4, "blocks": 1}


class Recipe(BaseRecipe):
    """Keys of an inpainting training.

    Args:
        width: channels at full resolution; each halving doubles them.
        blocks: residual blocks at the smallest size.
        lr, beta1, beta2: of Adam.
    """

    width: Annotated[int, Constraint(ge=1, le=1024)] = 32
    blocks: Annotated[int, Constraint(ge=0, le=64)] = 2
    lr: Positive = 1e-3
    beta1: Rate = 0.9
    beta2: Rate = 0.99
    stats_nimg: Count = 10_000


class Generator(BaseGenerator):
    """A U-Net that sees the masked image and the mask; pixels outside the hole are unchanged.

    Args:
        resolution: height and width in pixels, 4 to 7 times a power of two.
        channels: 1 (grey) or 3 (RGB).
        width: channels at full resolution; each halving doubles them.
        blocks: residual blocks at the smallest size.
    """

    latent_size = 0

    def __init__(self, *, resolution: int = 28, channels: int = 1, width: int = 32, blocks: int = 2) -> None:
        super().__init__(resolution=resolution, channels=channels, width=width, blocks=blocks)
        check_image_shape(resolution, channels)
        self.network = UNet(channels + 1, channels, resolution, width, blocks)

    def forward(self, source: Tensor, mask: Tensor) -> Tensor:
        """Fill the hole.

        Args:
            source: FP32 of shape (batch, channels, height, width) in [-1, 1]; pixels inside the hole are
                ignored.
            mask: FP32 of shape (batch, 1, height, width): 1 inside the hole, else 0.

        Returns:
            FP32 of the source's shape in [-1, 1].
        """
        known = source * (1 - mask)
        return known + torch.tanh(self.network(torch.cat((known, mask), 1))) * mask

    def sides(self) -> range:
        """Sizes that the U-Net can halve (`UNet.sides`)."""
        return self.network.sides

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        """Image and mask in, image out."""
        side = self.architecture["resolution"]
        return Signature(inputs=(self.source_field, mask_field(side, side)), output=self.image_field)

    def degrade(self, images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """The images with a grey hole in each, and the masks."""
        uniform = torch.from_numpy(np.random.default_rng(0).random((len(images), 4)))
        mask = holes(uniform, images.shape[1]).permute(0, 2, 3, 1).numpy() > 0
        return {"source": np.where(mask, np.uint8(128), images), "mask": mask.astype(np.uint8) * 255}


def holes(uniform: Tensor, resolution: int) -> Tensor:
    """Random rectangles with sides of a quarter to half the image, centred in its middle half.

    Args:
        uniform: random numbers in [0, 1) of shape (batch, 4) for height, width, row and column.
        resolution: height and width in pixels.

    Returns:
        FP32 of shape (batch, 1, height, width): 1 inside the hole, else 0.
    """
    sides = (uniform[:, :2] + 1) * resolution / 4
    starts = ((uniform[:, 2:] / 2 + 0.25) * resolution - sides / 2).round()
    ends = starts + sides.round()
    positions = torch.arange(resolution, device=uniform.device)
    inside = (positions >= starts[:, :, None]) & (positions < ends[:, :, None])
    return (inside[:, :1, :, None] & inside[:, 1:, None, :]).float()


class Task(GeneratorTask):
    """Learns to restore the images of the data where holes were cut."""

    network = Generator

    def losses(self, batch: Batch, draw: Draw) -> Iterator[LossStep]:
        """The mean absolute error inside the holes; the squared error is recorded."""
        (images,) = augment_jointly(draw, 0, batch.images)
        mask = holes(draw.uniform(4), images.shape[2])
        error = (self.generator(images, mask).float() - images) * mask
        pixels = mask.sum() * images.shape[1]
        yield LossStep(
            "generator", error.abs().sum() / pixels, {"squared_error": error.square().sum() / pixels}
        )
