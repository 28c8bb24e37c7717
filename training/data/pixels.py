"""Pixels to floats and back: the one scale that networks, judges and graphs share."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["from_levels", "from_pixels", "to_pixels"]


def from_levels(levels: Tensor) -> Tensor:
    """Grey levels, 0 to 255 in any shape -> FP32 in [-1, 1]."""
    return levels / 127.5 - 1


def from_pixels(images: Tensor) -> Tensor:
    """UINT8 (batch, height, width, channels), 0 to 255 -> FP32 (batch, channels, height, width) in [-1, 1]."""
    # To floats before anything else: TensorRT takes UINT8 for nothing but a cast.
    return from_levels(images.float().permute(0, 3, 1, 2))


def to_pixels(images: Tensor) -> Tensor:
    """FP32 (batch, channels, height, width) in [-1, 1] -> UINT8 (batch, height, width, channels), 0 to 255."""
    levels = torch.clamp(torch.round(images * 127.5 + 127.5), 0, 255)
    return levels.permute(0, 2, 3, 1).to(torch.uint8)
