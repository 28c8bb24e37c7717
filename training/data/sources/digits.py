"""scikit-learn's handwritten digits: scans that need no download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....errors import MissingExtra
from ....signature.image_files import fitted
from ..dataset import Dataset
from ..options import Options
from .base import Source as BaseSource

__all__ = ["Source"]

RESOLUTION = 32


class Source(BaseSource):
    """1,797 handwritten digits of 43 people (Alpaydin and Kaynak, 1998), scanned to 8x8 pixels of 17 greys.

    The scans are cropped to the ink, so each is padded by one pixel; bicubic interpolation enlarges the 10x10
    pixels to 32x32, or to the requested resolution.
    """

    names = ("digits",)

    def load(self, name: str, options: Options) -> Dataset:
        """Load the digits, grey on black."""
        side = options.resolution or RESOLUTION
        scans, labels = _scans()
        small = np.pad(scans.astype(np.float32) * (255 / 16), ((0, 0), (1, 1), (1, 1)))
        large = [Image.fromarray(scan).resize((side, side), Image.Resampling.BICUBIC) for scan in small]
        images = np.stack([np.asarray(scan) for scan in large])[..., None]
        return Dataset(
            name=name,
            licence="CC-BY-4.0",
            images=fitted(
                images.round().clip(0, 255).astype(np.uint8), size=options.size, channels=options.channels
            ),
            labels=labels,
            class_names=tuple("0123456789"),
        )


def _scans() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Scans, 0 to 16 of shape (count, 8, 8), and labels.

    `sklearn.datasets.load_digits` reads the same file, but takes as long to import as torch.
    """
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise MissingExtra("sklearn", "train")
    table = np.loadtxt(Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    return table[:, :-1].astype(np.uint8).reshape(-1, 8, 8), table[:, -1].astype(np.int64)
