"""Pictures as files: PNG, JPEG and WebP."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["MEDIA_TYPES", "encode"]

MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
"""Name of a format, as requests give it -> its media type."""

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def encode(image: NDArray[np.uint8], form: str = "png", compression: int = 100) -> bytes:
    """A picture as a file.

    Args:
        image: UINT8 of shape (height, width, channels).
        form: "png", "jpeg" or "webp".
        compression: 0 to 100, the quality of JPEG and WebP; 100 of WebP is lossless.
    """
    pixels = image[..., 0] if image.shape[2] == 1 else image
    picture = Image.fromarray(np.ascontiguousarray(pixels), _MODES[image.shape[2]])
    out = BytesIO()
    match form:
        case "png":
            picture.save(out, "PNG", compress_level=1)
        case "jpeg":
            picture.convert("L" if image.shape[2] <= 2 else "RGB").save(
                out, "JPEG", quality=max(1, compression)
            )
        case _:
            picture.save(out, "WEBP", quality=compression, lossless=compression == 100)
    return out.getvalue()
