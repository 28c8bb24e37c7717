"""How far a picture that was made again is from the one in a file, and whether that is the same picture.

The SHA-256 in the receipt decides first. Where it differs, the pixels of a lossless file are compared. Of a lossy
file, the new picture is encoded as the file was, and both are decoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from ...errors import DataError, UnknownName
from ...parity.gate import Gate, limits
from ...parity.metrics import psnr_db
from ...signature.image_files import MOST_PIXELS, fitted
from .picture_metadata import picture_format
from .receipt import Receipt, pixels_sha256

__all__ = ["Difference", "Judgement", "Shown", "decode", "judge_picture", "limits_of_one"]

LOSSY_PSNR_DB = 50.0
"""Least PSNR of two lossy files of one picture in FP32: a grey level can move a coefficient by a step."""

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Difference:
    """How far two pictures are apart.

    Args:
        levels: largest difference of two values, in grey levels of 0 to 255.
        identical: share of equal values, 0 to 1.
        psnr_db: 100 for equal pictures.
    """

    levels: int
    identical: float
    psnr_db: float


@dataclass(frozen=True)
class Shown:
    """What a file shows.

    Args:
        pixels: UINT8 of shape (height, width, channels).
        lossless: whether it can show each value as it was.
        clear: whether something shines through although the receipt is of a picture without alpha.
        image: the file.
    """

    pixels: NDArray[np.uint8]
    lossless: bool
    clear: bool
    image: Image.Image


@dataclass(frozen=True)
class Judgement:
    """Whether a picture that was made again is the one in the file.

    Args:
        same: whether it is.
        identical: whether every value is equal, by the receipt's hash.
        difference: between both; None if they are not compared.
        reason: one sentence that says why.
    """

    same: bool
    identical: bool
    difference: Difference | None
    reason: str


def decode(content: bytes, receipt: Receipt, where: str) -> Shown:
    """The pixels of an encoded picture, of the shape that its receipt says; without alpha if the file has none.

    Args:
        content: of a file PNG, JPEG or WebP.
        receipt: of the picture.
        where: what to call it in messages.

    Raises:
        DataError: it is damaged, or has another size.
    """
    height, width, channels = receipt.shape
    form = picture_format(content)
    try:
        with Image.open(BytesIO(content), formats=(form.upper(),)) as image:
            if image.size != (width, height) or width * height > MOST_PIXELS:
                raise DataError(
                    f"{where} has {image.width}x{image.height} pixels, its receipt says {width}x{height}: it was"
                    " cropped or resized; get the picture from its maker again"
                )
            if (count := getattr(image, "n_frames", 1)) > 1:
                raise DataError(
                    f"{where} has {count} pictures, its receipt is of one: others were added; get the picture from"
                    " its maker again"
                )
            image.load()
            lossless = form == "png" or (form == "webp" and b"VP8L" in content[:64])
            clear = channels in (1, 3) and _is_clear(image)
            if channels in (2, 4) and not image.has_transparency_data:
                channels -= 1  # the picture was put on white
            pixels = np.asarray(image.convert(MODES[channels]))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise DataError(f"{where} is damaged; get the picture from its maker again") from None
    return Shown(pixels.reshape(height, width, channels), lossless, clear, image)


def _is_clear(image: Image.Image) -> bool:
    return image.has_transparency_data and bool((np.asarray(image.convert("RGBA"))[..., 3] < 255).any())


def limits_of_one(receipt: Receipt, precisions: Iterable[str]) -> Gate:
    """The limits of one picture: those of the loosest precision.

    Args:
        receipt: of the picture, with its precision.
        precisions: of the runner that made it again.
    """
    names = {*receipt.precision.split(","), *precisions} - {""}
    try:
        gate = limits(*(names or {"fp32"}))
    except UnknownName:
        gate = limits("fp32")
    if gate.identical_share is not None:
        # Of a small picture one value may differ.
        values = int(np.prod(receipt.shape))
        gate = replace(gate, identical_share=min(gate.identical_share, 1 - 1 / values - 1e-9))
    if gate.min_psnr_db is None and gate.mean_psnr_db is not None:
        gate = replace(gate, min_psnr_db=gate.mean_psnr_db)
    return gate


def judge_picture(receipt: Receipt, shown: Shown, pixels: NDArray[np.uint8], gate: Gate) -> Judgement:
    """Whether a new picture is the one in the file.

    Args:
        receipt: of the file.
        shown: the file's pixels.
        pixels: the new picture, of the receipt's shape.
        gate: limits of one picture.
    """
    identical = pixels_sha256(pixels) == receipt.pixels_sha256
    on_white = shown.pixels.shape != pixels.shape
    if on_white:
        pixels = fitted(pixels[None], channels=shown.pixels.shape[2])[0]
    if shown.clear:
        return Judgement(False, identical, None, "something shines through the file: it was changed later")
    if shown.lossless:
        difference = _difference(pixels, shown.pixels)
        if not on_white and pixels_sha256(shown.pixels) != receipt.pixels_sha256:
            reason = "the file's pixels are not those of its receipt: they were changed later"
            return Judgement(False, identical, difference, reason)
    else:
        encoded = _encoded_alike(pixels, shown, receipt.quality)
        if encoded is None:
            return Judgement(identical, identical, None, _by_hash(identical))
        difference = _difference(encoded, shown.pixels)
        gate = Gate(min_psnr_db=min(LOSSY_PSNR_DB, gate.min_psnr_db or LOSSY_PSNR_DB))
    outside = _outside(difference, gate)
    if outside is not None:
        what = "the file shows another picture than its receipt" if identical else "it is another picture"
        return Judgement(False, identical, difference, f"{what}: {outside}")
    reason = "every value is equal" if identical else "the difference is within the limits of the precision"
    return Judgement(True, identical, difference, reason)


def _outside(difference: Difference, gate: Gate) -> str | None:
    """The first limit that a difference is outside of, in words; None for none."""
    if gate.max_abs_levels is not None and difference.levels > gate.max_abs_levels:
        return f"a value differs by {difference.levels} grey levels, allowed is {gate.max_abs_levels:g}"
    if gate.identical_share is not None and difference.identical < gate.identical_share:
        return f"{difference.identical:.2%} of the values are equal, at least {gate.identical_share:.2%} have to be"
    if gate.min_psnr_db is not None and difference.psnr_db < gate.min_psnr_db:
        return f"PSNR is {difference.psnr_db:.1f} dB, at least {gate.min_psnr_db:g} dB are required"
    return None


def _by_hash(identical: bool) -> str:
    if identical:
        return "every value is equal, by the receipt's hash; the file, which is lossy, was not compared"
    return "its hash is another than the receipt's, and the lossy file cannot tell by how much"


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Difference:
    apart = np.abs(one.astype(np.int16) - other.astype(np.int16))
    return Difference(int(apart.max()), float((apart == 0).mean()), float(psnr_db(one[None], other[None])[0]))


def _encoded_alike(pixels: NDArray[np.uint8], shown: Shown, quality: int | None) -> NDArray[np.uint8] | None:
    """The picture as the file's encoder leaves it; None if it is not known how the file was encoded."""
    channels = pixels.shape[2]
    picture = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    made = BytesIO()
    image = shown.image
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        sampling = JpegImagePlugin.get_sampling(image)
        picture.convert(image.mode).save(
            made, "JPEG", qtables=image.quantization, **({} if sampling < 0 else {"subsampling": sampling})
        )
    elif quality is not None:
        picture.convert({"L": "RGB", "LA": "RGBA"}.get(picture.mode, picture.mode)).save(
            made, "WEBP", quality=quality, exact=True
        )
    else:
        return None
    with Image.open(made) as again:
        return np.asarray(again.convert(picture.mode)).reshape(pixels.shape)
