"""Stacked MNIST: three digits as the red, green and blue channel of one picture, with 1,000 classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....errors import DataError, UsageError
from ..dataset import Dataset
from ..options import Options
from .base import Source as BaseSource, find_source

__all__ = ["Source", "stacked"]

BASE = "mnist"
TRAIN_COUNT, TEST_COUNT = 128_000, 25_600


class Source(BaseSource):
    """128,000 pictures of MNIST's training digits and 25,600 of its test digits.

    Three digits are drawn independently for each, with a fixed seed (Metz et al. 2017).
    """

    names = ("stacked-mnist",)

    def load(self, name: str, options: Options) -> Dataset:
        """Stack the digits of `--data mnist`."""
        if options.channels not in (None, 3):
            raise UsageError(f"data {name!r} has 3 colour channels; use {BASE!r} for grey digits")
        train, test = find_source(BASE).load(BASE, replace(options, channels=1)).split()
        options.check_memory(f"data {name!r}", TRAIN_COUNT, (*train.picture[:2], 3))
        return replace(
            stacked(name, train, TRAIN_COUNT, seed=0), test=stacked(name, test, TEST_COUNT, seed=1)
        )


def stacked(name: str, digits: Dataset, count: int, seed: int) -> Dataset:
    """Build pictures of three digits each.

    Args:
        name: of the new dataset.
        digits: grey pictures of ten classes.
        count: pictures to make.
        seed: of the draws.

    Returns:
        Images UINT8 of shape (count, height, width, 3); label 100 * red + 10 * green + blue.

    Raises:
        DataError: the digits are not ten labelled classes.
    """
    if digits.labels is None or len(digits.class_names) != 10:
        raise DataError(f"data {digits.name!r} has {len(digits.class_names)} classes; stacking needs ten")
    chosen = np.random.default_rng(seed).integers(len(digits), size=(count, 3))
    images = np.empty((count, *digits.picture[:2], 3), np.uint8)
    for channel in range(3):
        images[..., channel] = digits.images[chosen[:, channel], ..., 0]
    return Dataset(
        name=name,
        licence=digits.licence,
        images=images,
        labels=digits.labels[chosen] @ np.array([100, 10, 1]),
        class_names=tuple(f"{number:03}" for number in range(1000)),
    )
