"""What there is to train on: named sources of labelled images, all given as one kind of dataset in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import UnknownName
from ..extras import require

__all__ = ["Batch", "Dataset", "load", "source_names"]

TEST_SHARE = 0.2


@dataclass(frozen=True)
class Batch:
    """Images of one step, on the device that trains.

    Args:
        images: FP32 of shape (batch, channels, height, width) in [-1, 1].
        labels: INT64 of shape (batch,), or None where the data has none.
    """

    images: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class Dataset:
    """Images in memory.

    Args:
        name: as `--data` takes it.
        licence: SPDX identifier of the images, or what is known of it.
        images: UINT8 of shape (count, height, width, channels).
        labels: INT64 of shape (count,), or None.
        class_names: of the labels, in order; empty where there are none.
    """

    name: str
    licence: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def picture(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    def sha256(self) -> str:
        """Hash of all images and labels, as 64 hexadecimal digits."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(self.images.tobytes())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def split(self) -> tuple[Dataset, Dataset]:
        """A part to train on and a fifth to test on: the same two at every call, on every machine."""
        order = np.random.default_rng(0).permutation(len(self))
        held_out = round(len(self) * TEST_SHARE)
        return self.select(np.sort(order[held_out:])), self.select(np.sort(order[:held_out]))

    def select(self, indices: NDArray[np.int64]) -> Dataset:
        """The images at `indices`, INT64 of shape (count,)."""
        labels = None if self.labels is None else self.labels[indices]
        return replace(self, images=self.images[indices], labels=labels)

    def batch(self, indices: NDArray[np.int64], device: torch.device | str = "cpu") -> Batch:
        """The images at `indices` as a batch on `device`."""
        images = torch.from_numpy(self.images[indices]).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
        labels = None if self.labels is None else torch.from_numpy(self.labels[indices]).to(device)
        return Batch(images, labels)


def source_names() -> tuple[str, ...]:
    """The sources that `load` knows by name."""
    return tuple(_SOURCES)


def load(name: str) -> Dataset:
    """The dataset called `name`, whole.

    Raises:
        UnknownName: there is none.
        MissingExtra: the package that brings the images is not installed.
    """
    if name not in _SOURCES:
        raise UnknownName("data", name, _SOURCES)
    return _SOURCES[name]()


def _digits() -> Dataset:
    """1,797 handwritten digits of 43 people (Alpaydin and Kaynak, 1998), scanned to 8x8 pixels of 17 greys.

    They are enlarged to 32x32 by bicubic interpolation; scikit-learn carries them, nothing is downloaded.
    """
    from PIL import Image

    digits: Any = require("sklearn.datasets", "train").load_digits()
    small = digits.images.astype(np.float32) * (255 / 16)
    large = [Image.fromarray(scan).resize((32, 32), Image.Resampling.BICUBIC) for scan in small]
    images = np.stack([np.asarray(scan) for scan in large])[..., None]
    return Dataset(
        name="digits",
        licence="CC-BY-4.0",
        images=images.round().clip(0, 255).astype(np.uint8),
        labels=digits.target.astype(np.int64),
        class_names=tuple(str(name) for name in digits.target_names),
    )


_SOURCES: dict[str, Callable[[], Dataset]] = {
    "digits": _digits,
}
