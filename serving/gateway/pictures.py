"""Pictures as files: PNG, JPEG and WebP out, and the same in, with care."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import DataError
from ...signature.fields import Field, Size
from ...signature.image_files import fitted, has_alpha, read_hole, read_picture
from .errors import refused
from .png_files import encode_png

__all__ = [
    "MEDIA_TYPES",
    "Encoding",
    "PictureFormat",
    "encode",
    "hole_of",
    "picture_of",
    "size_of",
    "visible",
]

PictureFormat = Literal["png", "jpeg", "webp"]

MEDIA_TYPES: dict[PictureFormat, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
"""Name of a format, as requests give it -> its media type."""

FORMATS_IN = ("PNG", "JPEG", "WEBP")
"""What is decoded of what strangers send: as few decoders as OpenAI's API has."""

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Encoding:
    """How pictures are to be encoded.

    Args:
        form: "png", "jpeg" or "webp".
        compression: 0 to 100, the quality of JPEG and WebP; a WebP of 100 is lossless.
        opaque: put pictures with alpha on white.
    """

    form: PictureFormat = "png"
    compression: int = 100
    opaque: bool = False

    @property
    def quality(self) -> int | None:
        """0 to 100 of a lossy encoding; None of a lossless one."""
        lossless = self.form == "png" or (self.form == "webp" and self.compression == 100)
        return None if lossless else self.compression


def visible(image: NDArray[np.uint8], encoding: Encoding) -> NDArray[np.uint8]:
    """The pixels of a picture as they are encoded: with alpha, or on white where that is asked for.

    Args:
        image: UINT8 of shape (height, width, channels).
        encoding: of the file; JPEG holds no alpha.
    """
    channels = image.shape[2]
    if channels % 2 == 0 and (encoding.opaque or encoding.form == "jpeg"):
        return fitted(image[None], channels=channels - 1)[0]
    return image


def encode(image: NDArray[np.uint8], encoding: Encoding) -> bytes:
    """A picture as a file.

    Args:
        image: UINT8 of shape (height, width, channels), as `visible` gives it.
        encoding: of the file.
    """
    if encoding.form == "png":
        return encode_png(image)
    channels = image.shape[2]
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if channels == 1 else image))
    out = BytesIO()
    match encoding.form:
        case "jpeg":
            picture.save(out, "JPEG", quality=max(1, encoding.compression), subsampling=0)
        case "webp":
            mode = {1: "RGB", 2: "RGBA"}.get(channels, _MODES[channels])  # it has no grey
            lossless = encoding.compression == 100
            picture.convert(mode).save(
                out, "WEBP", quality=encoding.compression, lossless=lossless, exact=True
            )
    return out.getvalue()


def size_of(content: bytes, param: str, most_pixels: int) -> Size:
    """Height and width of an uploaded picture, turned as its EXIF data says; known before it is decoded.

    Args:
        content: the file.
        param: name of the field that it came in.
        most_pixels: largest one allowed.

    Raises:
        ApiError: 400, it is no picture of a known format, or too large.
    """
    try:
        with Image.open(BytesIO(content), formats=FORMATS_IN) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(param, most_pixels) from None
    except Exception:  # Pillow raises many kinds for a damaged picture
        raise refused(
            f"{param!r} is damaged or no picture; allowed are PNG, JPEG and WebP", param, "invalid_image"
        ) from None
    if width * height > most_pixels:
        raise _too_large(param, most_pixels)
    return (width, height) if turned else (height, width)


def picture_of(content: bytes, param: str, field: Field, size: Size) -> NDArray[np.uint8]:
    """An uploaded picture as a model takes it: cut to the proportions, resized, in its channels.

    Args:
        content: the file, which `size_of` let pass.
        param: name of the field that it came in.
        field: of the signature.
        size: height and width to bring it to.

    Returns:
        UINT8 of shape (1, height, width, channels).

    Raises:
        ApiError: 400, it cannot be decoded.
    """
    try:
        return read_picture(content, repr(param), size=size, channels=field.shape[2])[None]
    except DataError as error:
        raise refused(str(error), param, "invalid_image") from None


def hole_of(content: bytes, param: str, size: Size) -> NDArray[np.uint8]:
    """The hole of an uploaded mask: where it is fully transparent or, if it has no transparency, where it is light.

    Args:
        content: the file, which `size_of` let pass.
        param: name of the field that it came in.
        size: height and width to bring it to.

    Returns:
        UINT8 of shape (1, height, width, 1): 255 in the hole, 0 outside.

    Raises:
        ApiError: 400, it cannot be decoded, or has no hole.
    """
    try:
        mask = read_hole(content, repr(param), size)[None]
    except DataError as error:
        raise refused(str(error), param, "invalid_image") from None
    if not mask.any():
        rule = "transparent pixels are the hole" if has_alpha(content) else "light pixels are the hole"
        raise refused(f"{param!r} has no hole: {rule}", param, "invalid_mask")
    return mask


def _too_large(param: str, most_pixels: int) -> Exception:
    return refused(f"{param!r} has more than {most_pixels} pixels; make it smaller", param, "image_too_large")
