"""Pictures as files, as a gateway encodes them."""

from io import BytesIO

import numpy as np
from PIL import Image


def encode(pixels: np.ndarray, form: str = "png", quality: int = 100, *, opaque: bool = False) -> bytes:
    """A file PNG, JPEG or WebP; a WebP of quality 100 is lossless."""
    picture = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    if opaque or (form == "jpeg" and pixels.shape[2] in (2, 4)):
        grey = pixels.shape[2] <= 2
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA")).convert("L" if grey else "RGB")
    options = {
        "png": {},
        "jpeg": {"quality": quality, "subsampling": 0},
        "webp": {"quality": quality, "lossless": quality == 100, "exact": True},
    }
    made = BytesIO()
    picture.save(made, form.upper(), **options[form])
    return made.getvalue()
