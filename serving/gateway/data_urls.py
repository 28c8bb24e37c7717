"""Pictures in a JSON document: data URLs, in the objects in which OpenAI's API has them.

OpenAI also takes files that were stored there, and addresses, which it fetches. A gateway stores none, and whoever
could name an address would send requests from the gateway's place in the network.
"""

from __future__ import annotations

import binascii
from typing import Any

from .errors import ApiError, refused
from .pictures import MEDIA_TYPES
from .plan import Uploads

__all__ = ["DATA_URL_PATTERN", "take_uploads"]

DATA_URL_PATTERN = r"^data:image/(png|jpe?g|webp)(;[^;,]+)*;base64,"
"""How such an address begins."""

_TYPES = frozenset({*MEDIA_TYPES.values(), "image/jpg"})
_MOST_HEAD_CHARACTERS = 256
_BLANKS = b" \t\r\n\f"
_ALLOWED = "allowed is {'image_url': 'data:image/png;base64,...'}, of PNG, JPEG or WebP"


def take_uploads(document: dict[str, Any], most_bytes: int) -> Uploads:
    """Take the pictures out of a document: `images`, a list of one, and `mask`.

    Args:
        document: the object of the request; loses both.
        most_bytes: largest picture, encoded.

    Raises:
        ApiError: 400, something else stands there, or a picture is too large.
    """
    if "image" in document:
        raise refused("'image' is of forms; in JSON send 'images', a list of one object", "image")
    images, mask = document.pop("images", None), document.pop("mask", None)
    if images is not None and not isinstance(images, list):
        raise refused(f"'images' is no list of one object; {_ALLOWED}", "images")
    if images and len(images) > 1:
        raise refused("'images' has more than one picture; the models here take one", "images")
    return Uploads(
        _content(images[0], "images", most_bytes) if images else None,
        None if mask is None else _content(mask, "mask", most_bytes),
        called="images",
    )


def _content(reference: Any, param: str, most_bytes: int) -> bytes:
    """The file that an object names."""
    if not isinstance(reference, dict):
        raise refused(f"{param!r} holds no object; {_ALLOWED}", param)
    if reference.get("file_id") is not None:
        raise refused(f"{param!r} has a 'file_id', but no files are stored here; {_ALLOWED}", param)
    url = reference.get("image_url")
    if not isinstance(url, str) or not reference.keys() <= {"image_url", "file_id"}:
        raise refused(f"{param!r} has another object; {_ALLOWED}", param)
    comma = url.find(",", 0, _MOST_HEAD_CHARACTERS)
    kind, *parameters = url[: max(comma, 0)].lower().split(";")
    if not kind.startswith("data:"):
        raise refused(f"{param!r} is no data URL, and no address is fetched; {_ALLOWED}", param)
    if kind.removeprefix("data:") not in _TYPES or parameters[-1:] != ["base64"]:
        raise refused(f"{param!r} is a data URL of another kind; {_ALLOWED}", param)
    return _decoded(url, comma + 1, param, most_bytes)


def _decoded(url: str, start: int, param: str, most_bytes: int) -> bytes:
    """What follows in base64, where line ends, spaces and missing padding are no matter, as in browsers."""
    try:
        text = url[start:].encode("ascii").translate(None, _BLANKS)
        if len(text) * 3 // 4 - text.count(b"=", -2) > most_bytes:
            raise _too_large(param, most_bytes)
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except (UnicodeError, binascii.Error):
        raise refused(f"{param!r} holds no base64", param, "invalid_image") from None


def _too_large(param: str, most_bytes: int) -> ApiError:
    return refused(f"{param!r} has more than {most_bytes} bytes", param, "image_too_large")
