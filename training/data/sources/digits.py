"""scikit-learn's handwritten digits: scans that need no download."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ....extras import require
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
        digits: Any = require("sklearn.datasets", "train").load_digits()
        small = np.pad(digits.images.astype(np.float32) * (255 / 16), ((0, 0), (1, 1), (1, 1)))
        large = [Image.fromarray(scan).resize((side, side), Image.Resampling.BICUBIC) for scan in small]
        images = np.stack([np.asarray(scan) for scan in large])[..., None]
        return Dataset(
            name=name,
            licence="CC-BY-4.0",
            images=fitted(
                images.round().clip(0, 255).astype(np.uint8), size=options.size, channels=options.channels
            ),
            labels=digits.target.astype(np.int64),
            class_names=tuple(str(name) for name in digits.target_names),
        )
