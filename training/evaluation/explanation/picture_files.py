"""The PNG files of an explanation, collected before they are written."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ....reporting import png

__all__ = ["MOST_PIXELS", "PictureFiles"]

MOST_PIXELS = 128
"""Longest side of a stored picture; larger ones are reduced by a whole factor."""


class PictureFiles:
    """Name -> content of the PNG files.

    Attributes:
        contents: of the files, by name.
    """

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def add(self, name: str, picture: NDArray[np.uint8]) -> str:
        """Store a picture, UINT8 of shape (height, width, channels), as `NAME.png`; returns the file name."""
        file = f"{name}.png"
        self.contents[file] = png(_reduced(picture))
        return file

    def add_map(self, name: str, values: NDArray[np.floating], full: float) -> str:
        """Store values of shape (height, width) in grey, 0 to `full` as 0 to 255; returns the file name."""
        share = values / full if full > 0 else np.zeros_like(values)
        return self.add(name, (share.clip(0, 1) * 255).round().astype(np.uint8)[..., None])

    def add_strip(self, name: str, pictures: NDArray[np.uint8], columns: int) -> str:
        """Store pictures in rows of `columns` without gaps, each reduced on its own; returns the file name.

        Args:
            name: of the file, without its ending.
            pictures: UINT8 of shape (rows * columns, height, width, channels).
            columns: pictures per row.
        """
        small = np.stack([_reduced(picture) for picture in pictures])
        _, height, width, channels = small.shape
        grid = small.reshape(-1, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
        file = f"{name}.png"
        self.contents[file] = png(grid.reshape(-1, columns * width, channels))
        return file


def _reduced(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, its sides divided by the least whole number that makes both at most `MOST_PIXELS`."""
    height, width, channels = picture.shape
    factor = math.ceil(max(height, width) / MOST_PIXELS)
    if factor == 1:
        return np.ascontiguousarray(picture)
    height, width = max(1, height // factor), max(1, width // factor)
    covered = picture[: height * factor, : width * factor].reshape(height, factor, width, factor, channels)
    return covered.mean((1, 3)).round().astype(np.uint8)
