"""What one request comes to, once it is checked: a model, the inputs of every picture, and the form of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...signature import Signature
from ...signature.fields import Field, Role, Size
from .errors import refused
from .gateway import Gateway
from .image_request import ImageRequest
from .inputs import checked_fields
from .pictures import Encoding, hole_of, picture_of, size_of
from .served_models import Served
from .work import rows_of

__all__ = ["Plan", "Uploads", "planned"]


@dataclass(frozen=True)
class Uploads:
    """Encoded pictures that came with a request.

    Args:
        image: the picture to start from.
        mask: where it is to be changed.
        called: how the request calls the picture, for messages.
    """

    image: bytes | None = None
    mask: bytes | None = None
    called: Literal["image", "images"] = "image"


@dataclass(frozen=True)
class Plan:
    """What one request comes to.

    Args:
        served: the model.
        rows: the inputs of each picture, checked, a batch of one each.
        encoding: of the pictures.
        by_url: answer with URLs.
        partial_images: previews of each picture in a stream.
        kind: "generation" or "edit", as the names of events begin.
        safety_identifier: of whom the request is for, which the answer repeats.
    """

    served: Served
    rows: list[dict[str, NDArray[Any]]]
    encoding: Encoding
    by_url: bool
    partial_images: int
    kind: Literal["generation", "edit"]
    safety_identifier: str | None = None

    @property
    def size(self) -> Size:
        """Height and width of the pictures."""
        height, width = self.served.signature.output_shape(self.rows[0])[1:3]
        return height, width


async def planned(gateway: Gateway, request: ImageRequest, uploads: Uploads | None = None) -> Plan:
    """Check a request against the model that it names.

    Args:
        gateway: with models and limits.
        request: what was asked for.
        uploads: the pictures of an edit; None for a generation.

    Raises:
        ApiError: something of it is not allowed; there is no such model; the server does not answer.
    """
    served = await gateway.models.find(request.model, request.variant)
    signature, settings = served.signature, gateway.settings
    count = 1 if request.n is None else request.n
    if count > settings.most_pictures:
        raise refused(f"'n' was given {count}; allowed are 1 to {settings.most_pictures}", "n")
    encoding = _encoding(request, signature)
    by_url = _by_url(request)
    if uploads is not None:
        _check_uploads(served, uploads)
    fields = checked_fields(signature, request, served.name, most_steps=settings.most_steps)
    if uploads is None:
        _refuse_to_start_from_nothing(signature, served.name)
        _check_size(signature, request.size)
    else:
        pixels = settings.most_upload_pixels
        fields |= await gateway.in_thread(_pictures_in, served, request.size, uploads, pixels)
    if count > 1 and signature.field(Role.SEED) is None:
        raise refused(
            f"model {served.name!r} takes no seed, so that all pictures are equal; ask for one", "n"
        )
    kind = "generation" if uploads is None else "edit"
    partial_images = request.partial_images or 0
    rows = rows_of(signature, fields, count)
    identifier = request.safety_identifier or request.user or None
    return Plan(served, rows, encoding, by_url, partial_images, kind, identifier)


def _encoding(request: ImageRequest, signature: Signature) -> Encoding:
    form, background = request.output_format or "png", request.background
    compression = request.output_compression
    if form == "png" and compression not in (None, 100):
        raise refused("'output_compression' is of jpeg and webp; png is lossless", "output_compression")
    if background == "transparent":
        if form == "jpeg":
            raise refused("jpeg cannot be transparent; take png or webp", "background")
        if signature.output.shape[2] % 2:
            raise refused("the model makes opaque pictures only; take auto or opaque", "background")
    return Encoding(form, 100 if compression is None else compression, background == "opaque")


def _by_url(request: ImageRequest) -> bool:
    by_url = request.response_format == "url"
    if request.stream and by_url:
        raise refused("a stream carries its pictures itself; take b64_json", "response_format")
    if request.partial_images and not request.stream:
        raise refused("'partial_images' are of streams; set 'stream' to true", "partial_images")
    return by_url


def _refuse_to_start_from_nothing(signature: Signature, model: str) -> None:
    if signature.field(Role.IMAGE) is not None:
        raise refused(
            f"model {model!r} makes pictures from a picture; send it to /v1/images/edits",
            "model",
            "needs_image",
        )


def _check_size(signature: Signature, size: str | None) -> None:
    height, width = signature.output.shape[:2]
    if size not in (None, "auto", f"{width}x{height}"):
        raise refused(f"'size' was given {size}; the model makes {width}x{height}", "size")


def _check_uploads(served: Served, uploads: Uploads) -> None:
    """Refuse pictures that the model does not take, and ask for those that it needs."""
    source, mask = served.signature.field(Role.IMAGE), served.signature.field(Role.MASK)
    if source is None:
        raise refused(
            f"model {served.name!r} takes no picture; send the request to /v1/images/generations",
            uploads.called,
        )
    if uploads.image is None:
        raise refused(f"{uploads.called!r} is missing; send a PNG, JPEG or WebP file", uploads.called)
    if mask is None and uploads.mask is not None:
        raise refused(f"model {served.name!r} takes no mask", "mask")
    if mask is not None and uploads.mask is None:
        raise refused(f"'mask' is missing; model {served.name!r} fills the hole of a mask", "mask")


def _pictures_in(
    served: Served, size: str | None, uploads: Uploads, most_pixels: int
) -> Mapping[str, NDArray[np.uint8]]:
    """The uploaded pictures as fields of the signature."""
    signature = served.signature
    source, mask = signature.field(Role.IMAGE), signature.field(Role.MASK)
    assert source is not None, "was checked first"
    assert uploads.image is not None, "was checked first"
    given = size_of(uploads.image, uploads.called, most_pixels)
    wanted = _size_in(signature, source, size, given)
    row = {source.name: picture_of(uploads.image, uploads.called, source, wanted)}
    if mask is not None and uploads.mask is not None:
        if (other := size_of(uploads.mask, "mask", most_pixels)) != given:
            raise refused(
                f"'mask' is {_shown(other)} and the picture {_shown(given)}; they have to have one size",
                "mask",
            )
        row[mask.name] = hole_of(uploads.mask, "mask", wanted)
    return row


def _size_in(signature: Signature, source: Field, size: str | None, given: Size) -> Size:
    """What an uploaded picture is brought to, so that the picture made of it has the wanted size."""
    if not source.free:
        _check_size(signature, size)
        return source.shape[0], source.shape[1]
    usual_in, usual_out = source.usual_size, signature.output.usual_size
    assert usual_in is not None, "it is free"
    assert usual_out is not None, "both are free together"
    growth = usual_out[0] / usual_in[0]
    if size in (None, "auto"):
        return source.nearest_side(given[0]), source.nearest_side(given[1])
    width, height = (int(side) for side in (size or "").split("x"))
    sides = round(height / growth), round(width / growth)
    fits = all(source.nearest_side(side) == side for side in sides)
    if not fits or (round(sides[0] * growth), round(sides[1] * growth)) != (height, width):
        least, most = source.least_side or 1, source.most_side or 1
        raise refused(
            f"'size' was given {size}; sides are {round(least * growth)} to {round(most * growth)}, divisible by"
            f" {round(source.divisible_by * growth)}",
            "size",
        )
    return sides


def _shown(size: Size) -> str:
    height, width = size
    return f"{width}x{height}"
