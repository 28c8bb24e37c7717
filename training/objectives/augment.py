"""Random augmentation of the images that a discriminator sees, so that it cannot memorise a small dataset.

Real and generated images are augmented alike and the gradient passes through, so that the generator does not learn to
make augmented images (Zhao et al. 2020, "DiffAugment", section 4). The probability of the augmentations is fixed, or
adapted to a target (Karras et al. 2020, "ADA", section 3.1).
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import torch
from pydantic import AfterValidator
from torch import Tensor

from ..randomness import Draw

__all__ = [
    "AUGMENTATIONS",
    "AugmentationNames",
    "adapt_probability",
    "augment",
    "augment_jointly",
    "random_shift",
]

Augmentation = Literal["colour", "translation", "cutout"]
AUGMENTATIONS: tuple[Augmentation, ...] = get_args(Augmentation)

TRANSLATION_SHARE = 1 / 8
CUTOUT_SHARE = 1 / 2


def _check_augmentations(text: str) -> str:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in AUGMENTATIONS]:
        raise ValueError(
            f"unknown augmentation {unknown[0]!r}; expected some of {','.join(AUGMENTATIONS)}, or none"
        )
    return ",".join(name for name in AUGMENTATIONS if name in names)


AugmentationNames = Annotated[str, AfterValidator(_check_augmentations)]
"""Comma-separated names of `AUGMENTATIONS`."""


def augment(images: Tensor, draw: Draw, names: str, probability: Tensor | float = 1.0) -> Tensor:
    """Augment each image at random.

    Args:
        images: FP32 of shape (batch, channels, height, width) in [-1, 1].
        draw: the only source of randomness.
        names: comma-separated names of `AUGMENTATIONS`; "" changes nothing.
        probability: of each augmentation of an image, 0 to 1; a scalar.
    """
    for name in names.split(",") if names else ():
        changed = _AUGMENTATIONS[name](images, draw)
        # Always drawn, so that other random numbers of the step do not depend on the probability.
        chosen = (draw.uniform(1, 1, 1) < probability).to(images.device)
        images = torch.where(chosen, changed, images)
    return images


def adapt_probability(probability: float, sign: float, target: float, batch: int, rise_nimg: int) -> float:
    """Next augmentation probability: one step up if the sign is above its target, one step down if below.

    Args:
        probability: the current probability.
        sign: mean sign of the logits of real images, -1 to 1 (r_t of Karras et al. 2020, eq. 1).
        target: of the sign.
        batch: images per step.
        rise_nimg: images over which the probability can rise from 0 to 1.
    """
    step = batch / rise_nimg * ((sign > target) - (sign < target))
    return min(1.0, max(0.0, probability + step))


def random_shift(images: Tensor, draw: Draw, most: int) -> Tensor:
    """Shift each image by up to `most` pixels in each direction, repeating the edge pixels.

    Args:
        images: of shape (batch, channels, height, width).
        draw: source of the offsets.
        most: largest offset in pixels; 0 changes nothing.
    """
    if most == 0:
        return images
    batch, channels, height, width = images.shape
    offsets = draw.integers(2 * most + 1, 2) - most
    rows = (torch.arange(height, device=images.device) + offsets[:, :1]).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) + offsets[:, 1:]).clamp(0, width - 1)
    index = (rows[:, :, None] * width + columns[:, None, :]).view(batch, 1, height * width)
    moved = images.flatten(2).gather(2, index.expand(-1, channels, -1))
    return moved.view(images.shape)


def augment_jointly(draw: Draw, most_shift: int, *images: Tensor) -> tuple[Tensor, ...]:
    """Mirror and shift several batches alike: row n of every batch gets the same random mirroring and offset.

    Args:
        draw: source of randomness.
        most_shift: largest offset in pixels.
        images: each of shape (batch, channels, height, width); only the channels may differ.
    """
    combined = random_shift(torch.cat(images, 1), draw, most_shift)
    mirrored = draw.integers(2)[:, None, None, None] == 1
    combined = torch.where(mirrored, combined.flip(3), combined)
    return combined.split([part.shape[1] for part in images], 1)


def _jitter_colour(images: Tensor, draw: Draw) -> Tensor:
    """Change brightness (+-0.5), saturation (0 to 2 times) and contrast (0.5 to 1.5 times), as DiffAugment does."""
    brightness, saturation, contrast = draw.uniform(3, 1, 1, 1).unbind(1)
    images = images + brightness - 0.5
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * 2 * saturation
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (contrast + 0.5)


def _translate(images: Tensor, draw: Draw) -> Tensor:
    return random_shift(images, draw, round(max(images.shape[2:]) * TRANSLATION_SHARE))


def _cutout(images: Tensor, draw: Draw) -> Tensor:
    """Cover a rectangle of half the height and width with grey, centred anywhere in the image."""
    height, width = images.shape[2:]
    centre = draw.uniform(2) * torch.tensor((height, width), device=images.device)
    rows = (
        torch.arange(height, device=images.device) + 0.5 - centre[:, :1]
    ).abs() < height * CUTOUT_SHARE / 2
    columns = (
        torch.arange(width, device=images.device) + 0.5 - centre[:, 1:]
    ).abs() < width * CUTOUT_SHARE / 2
    inside = (rows[:, :, None] & columns[:, None, :])[:, None]
    return images.masked_fill(inside, 0.0)


_AUGMENTATIONS = {"colour": _jitter_colour, "translation": _translate, "cutout": _cutout}
