"""Random changes of the images that a discriminator judges, so that it cannot learn a small dataset by heart.

Real and made images are changed by the same law, and the gradient passes through, so that the generator does not learn
to make changed images (Zhao et al. 2020, "DiffAugment", section 4). Where the changes are rare enough they may be as
strong as they have to be: with a target, their probability is steered (Karras et al. 2020, "ADA", section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Protocol, get_args, runtime_checkable

import torch
from pydantic import AfterValidator
from torch import Tensor

from ..run.randomness import Draw

__all__ = ["CHANGES", "AdaptiveTask", "Changes", "augmented", "steered", "translated"]

Change = Literal["colour", "translation", "cutout"]
CHANGES: tuple[Change, ...] = get_args(Change)

TRANSLATION_SHARE = 1 / 8
CUTOUT_SHARE = 1 / 2


def _known_changes(text: str) -> str:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in CHANGES]:
        raise ValueError(f"unknown change {unknown[0]!r}; take some of {','.join(CHANGES)}, or nothing")
    return ",".join(name for name in CHANGES if name in names)


Changes = Annotated[str, AfterValidator(_known_changes)]
"""Names of `CHANGES` with commas between them."""


@runtime_checkable
class AdaptiveTask(Protocol):
    """A task that wants to know how its steps went."""

    def steer(self, statistics: Mapping[str, float]) -> None:
        """Told a step's statistics, each the mean over all processes."""
        ...


def augmented(images: Tensor, draw: Draw, changes: str, probability: Tensor | float = 1.0) -> Tensor:
    """Images after random changes, each image by its own.

    Args:
        images: FP32 of shape (batch, channels, height, width) in [-1, 1].
        draw: the only source of randomness.
        changes: names of `CHANGES` with commas between them; "" leaves the images as they are.
        probability: of each change of an image, 0 to 1; a scalar.
    """
    for name in changes.split(",") if changes else ():
        changed = _CHANGES[name](images, draw)
        # Drawn whether it is needed or not: what else is drawn in a step does not depend on the probability.
        chosen = (draw.uniform(1, 1, 1) < probability).to(images.device)
        images = torch.where(chosen, changed, images)
    return images


def steered(probability: float, sign: float, target: float, batch: int, rise_nimg: int) -> float:
    """The next probability: a step up where real images are told apart too surely, a step down where they are not.

    Args:
        probability: so far.
        sign: mean sign of what the discriminator says of real images, -1 to 1 (Karras et al. 2020, eq. 1, r_t).
        target: that it is held at.
        batch: images of a step.
        rise_nimg: images over which the probability can go from 0 to 1.
    """
    step = batch / rise_nimg * ((sign > target) - (sign < target))
    return min(1.0, max(0.0, probability + step))


def translated(images: Tensor, draw: Draw, most: int) -> Tensor:
    """Images moved by up to `most` pixels in each direction, what leaves on one side filled with the edge.

    Args:
        images: of shape (batch, channels, height, width).
        draw: source of the offsets.
        most: largest offset in pixels; 0 leaves the images as they are.
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


def _coloured(images: Tensor, draw: Draw) -> Tensor:
    """Brightness, saturation and contrast, in DiffAugment's ranges: +-0.5 of [-1, 1], 0 to 2 and 0.5 to 1.5 times."""
    brightness, saturation, contrast = draw.uniform(3, 1, 1, 1).unbind(1)
    images = images + brightness - 0.5
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * 2 * saturation
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (contrast + 0.5)


def _moved(images: Tensor, draw: Draw) -> Tensor:
    return translated(images, draw, round(max(images.shape[2:]) * TRANSLATION_SHARE))


def _cut_out(images: Tensor, draw: Draw) -> Tensor:
    """A grey rectangle of half the height and width, its middle anywhere in the image."""
    height, width = images.shape[2:]
    middle = draw.uniform(2) * torch.tensor((height, width), device=images.device)
    rows = (
        torch.arange(height, device=images.device) + 0.5 - middle[:, :1]
    ).abs() < height * CUTOUT_SHARE / 2
    columns = (
        torch.arange(width, device=images.device) + 0.5 - middle[:, 1:]
    ).abs() < width * CUTOUT_SHARE / 2
    inside = (rows[:, :, None] & columns[:, None, :])[:, None]
    return images.masked_fill(inside, 0.0)


_CHANGES = {"colour": _coloured, "translation": _moved, "cutout": _cut_out}
