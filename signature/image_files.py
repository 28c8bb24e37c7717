"""One encoded picture -> grey or RGB pixels, with alpha or without, of the wanted size; knows no dataset.

An error names the picture.

The rules, in order:

    limits      at most `MOST_PIXELS`, known from the header before anything is decoded; the formats of `FORMATS`
    animation   the first frame
    turning     as the EXIF orientation says
    depth       16 bits are scaled to 8 (divided by 257 and rounded); 32-bit and floating-point pixels are refused
    alpha       kept where it is asked for, and 255 of an opaque picture; else composited on white
    colour      CMYK, YCbCr and palettes become RGB; black-and-white becomes grey
    shape       the largest centred part with the proportions of the wanted size, a square where none is wanted (of
                an odd remainder, the larger part is cut right and below)
    size        bicubic to the wanted size, averaged over what a pixel covers where it shrinks (antialiased)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import DataError

__all__ = [
    "FORMATS",
    "MOST_PIXELS",
    "SUFFIXES",
    "bombs_are_errors",
    "fitted",
    "has_alpha",
    "read_hole",
    "read_picture",
]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
"""What is read; formats that start another program (EPS) or fetch other files are not among them."""

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".avif"
)  # fmt: skip
"""Endings of the files of a folder that are taken for images; others are left out."""

MOST_PIXELS = 1 << 26
"""Largest picture that is decoded (8192x8192); a few bytes can claim to hold far more."""

Size = tuple[int, int]
"""Height and width in pixels."""

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Channels -> Pillow's mode: the even ones have alpha, last."""

LIGHT = 128
"""Grey level from which on a pixel of a mask without transparency is in the hole."""

_GREY_MODES = ("1", "L", "LA", "La")
_WIDE_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def read_picture(
    content: bytes | Path,
    where: str,
    *,
    size: Size | Callable[[int, int], Size] | None = None,
    channels: int | None = None,
) -> NDArray[np.uint8]:
    """Decode one picture by the rules of this module.

    Args:
        content: an encoded picture, or the path of its file.
        where: what to call it in messages, for example "train.parquet row 7".
        size: height and width in pixels to bring it to, or what makes them of its own height and width; None keeps
            the size of the largest centred square.
        channels: 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA) to bring it to; None gives 1 for a grey picture,
            else 3.

    Returns:
        UINT8 of shape (height, width, channels).

    Raises:
        DataError: it is damaged, too large, or of a format or depth that is not read.
    """
    try:
        with Image.open(
            BytesIO(content) if isinstance(content, bytes) else content, formats=FORMATS
        ) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            ImageOps.exif_transpose(image, in_place=True)
            if callable(size):
                size = size(image.height, image.width)
            picture = _fit(_eight_bit(image, where, alpha=channels in (2, 4)), size)
            if channels is not None:
                picture = picture.convert(MODES[channels])
            pixels = np.asarray(picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(
            f"{where} has more than {MOST_PIXELS} pixels, the most allowed; make it smaller"
        ) from None
    except UnidentifiedImageError:
        raise DataError(
            f"{where} is damaged or no image; allowed are {', '.join(FORMATS)}: replace it or take it out"
        ) from None
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds for a damaged picture
        raise DataError(f"{where} cannot be read ({_reason(error)}); replace it or take it out") from None
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def read_hole(content: bytes, where: str, size: Size | None = None) -> NDArray[np.uint8]:
    """The hole that a mask as OpenAI's clients send it marks.

    It is where the mask is fully transparent or, if it has no transparency, where it is light (from grey 128 on).

    Args:
        content: an encoded picture.
        where: what to call it in messages.
        size: height and width in pixels to bring it to; None keeps its own.

    Returns:
        UINT8 of shape (height, width, 1): 255 in the hole, 0 outside.

    Raises:
        DataError: as `read_picture` does.
    """
    transparent = has_alpha(content)
    pixels = read_picture(content, where, size=_own, channels=4 if transparent else 1)
    hole = pixels[..., 3] == 0 if transparent else pixels[..., 0] >= LIGHT
    grey = (hole * np.uint8(255))[None, :, :, None]
    return np.where(fitted(grey, size=size)[0] >= LIGHT, np.uint8(255), np.uint8(0))


def has_alpha(content: bytes) -> bool:
    """Whether an encoded picture says that parts of it are transparent; false if it cannot be read."""
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            return image.has_transparency_data
    except Exception:  # `read_picture` says what is wrong
        return False


def fitted(
    pixels: NDArray[np.uint8], *, size: Size | None = None, channels: int | None = None
) -> NDArray[np.uint8]:
    """Bring decoded pictures to a size and channels by the same rules.

    Args:
        pixels: UINT8 of shape (count, height, width, 1 to 4).
        size: height and width to bring them to; None keeps theirs.
        channels: 1 to 4, as for `read_picture`, to bring them to; None keeps theirs.

    Returns:
        UINT8 of shape (count, height, width, channels).
    """
    count, height, width, given = pixels.shape
    wanted = channels or given
    if (size or (height, width), wanted) == ((height, width), given):
        return pixels
    pictures = [Image.fromarray(one[..., 0] if given == 1 else one) for one in pixels]
    if given in (2, 4) and wanted in (1, 3):
        pictures = [_on_white(picture) for picture in pictures]
    size = size or (height, width)
    fit = [np.asarray(_fit(picture, size).convert(MODES[wanted])) for picture in pictures]
    return np.stack(fit).reshape(count, *size, wanted)


def _own(height: int, width: int) -> Size:
    return height, width


@contextmanager
def bombs_are_errors() -> Iterator[None]:
    """While pictures are read, Pillow's warning of a decompression bomb is an error, in every thread."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _eight_bit(image: Image.Image, where: str, *, alpha: bool) -> Image.Image:
    if image.mode in _WIDE_MODES:
        return _from_sixteen_bit(image, where)
    if image.mode == "F":
        raise DataError(f"{where} has floating-point pixels; allowed are 8 and 16 bits a channel: convert it")
    mode = "L" if image.mode in _GREY_MODES else "RGB"
    if alpha:
        return image.convert("RGBA").convert(f"{mode}A")
    return (_on_white(image) if image.has_transparency_data else image).convert(mode)


def _on_white(image: Image.Image) -> Image.Image:
    paper = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(paper, image.convert("RGBA"))


def _from_sixteen_bit(image: Image.Image, where: str) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise DataError(f"{where} has 32-bit pixels; allowed are 8 and 16 bits a channel: convert it")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _fit(image: Image.Image, size: Size | None) -> Image.Image:
    height, width = size or (1, 1)
    # The largest box of these proportions, in whole pixels.
    box_width = min(image.width, max(1, round(image.height * width / height)))
    box_height = min(image.height, max(1, round(image.width * height / width)))
    if image.size != (box_width, box_height):
        left, top = (image.width - box_width) // 2, (image.height - box_height) // 2
        image = image.crop((left, top, left + box_width, top + box_height))
    if size is None or image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.splitlines() or ["it is damaged"])[0][:160]
