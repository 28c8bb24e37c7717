"""A request for pictures in OpenAI's words, from JSON or from a form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import ApiError, refused

__all__ = [
    "SIZE_PATTERN",
    "FormText",
    "ImageRequest",
    "from_document",
    "from_form",
    "from_json",
    "is_json",
    "read_json",
]

MOST_PARTIAL_IMAGES = 3
SIZE_PATTERN = r"^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$"


class FormText(str):
    """A value of a form, where a number is a text too."""

    __slots__ = ()


_JSON_TYPES = ("application/json", "text/json")
_WHOLE = ("n", "output_compression", "partial_images")


class ImageRequest(BaseModel):
    """What OpenAI's API knows, of the types that it has; fields of a model's signature come in `model_extra`.

    Args:
        model: name of a served model; may be absent where there is only one.
        variant: another model of the same checkpoint, by variant.
        prompt: text, or the name or number of a class.
        n: pictures.
        size: WIDTHxHEIGHT in pixels, or "auto".
        response_format: "b64_json" or "url".
        output_format: "png", "jpeg" or "webp".
        output_compression: 0 to 100, the quality of JPEG and WebP.
        background: "auto", "opaque" or "transparent".
        quality, moderation, style: of OpenAI's models; here only what changes nothing.
        user, safety_identifier: of whom the request is for; the answer repeats the latter, or else the former.
        stream: answer with events.
        partial_images: previews in the stream.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, protected_namespaces=())

    model: Annotated[str, Field(max_length=256)] | None = None
    variant: Annotated[str, Field(max_length=256)] | None = None
    prompt: str | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    size: Annotated[str, Field(pattern=SIZE_PATTERN)] | None = None
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    background: Literal["auto", "opaque", "transparent"] | None = None
    quality: Literal["auto", "standard"] | None = None
    moderation: Literal["auto"] | None = None
    style: None = None
    user: Annotated[str, Field(max_length=512)] | None = None
    safety_identifier: Annotated[str, Field(max_length=512)] | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=MOST_PARTIAL_IMAGES)] | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """What has no name in OpenAI's API, without what is null."""
        return {name: value for name, value in (self.model_extra or {}).items() if value is not None}


def from_json(content: bytes, content_type: str | None) -> ImageRequest:
    """Read a JSON object.

    Args:
        content: the body.
        content_type: its header; None where there is none.

    Raises:
        ApiError: 415, it is something else; 400, it is broken, or a value is not allowed.
    """
    if not is_json(content_type):
        raise ApiError(415, "the body has another type; send application/json", code="unsupported_media_type")
    return from_document(read_json(content))


def is_json(content_type: str | None) -> bool:
    """Whether a body is JSON, as one without a type is.

    Args:
        content_type: its header; None where there is none.
    """
    kind = (content_type or _JSON_TYPES[0]).partition(";")[0].strip().lower()
    return kind in _JSON_TYPES or kind.endswith("+json")


def read_json(content: bytes) -> dict[str, Any]:
    """The object of a body.

    Raises:
        ApiError: 400, it is broken or something else, or a name comes twice.
    """
    try:
        document = _JSON.decode(content.decode(json.detect_encoding(content), "surrogatepass"))
    except (ValueError, RecursionError):
        raise refused("the body is no JSON document", code="invalid_json") from None
    if not isinstance(document, dict):
        raise refused("the body is no JSON object", code="invalid_json")
    return document


def from_document(document: dict[str, Any]) -> ImageRequest:
    """Check the values of an object of JSON.

    Raises:
        ApiError: 400, a value is not allowed.
    """
    for name in _WHOLE:
        # In JSON 1.0 is a whole number.
        if isinstance(value := document.get(name), float) and value.is_integer():
            document[name] = int(value)
    return _validated(document)


def from_form(items: Iterable[tuple[str, str]]) -> ImageRequest:
    """Read the texts of a form, each of which has one value.

    Args:
        items: name and text of each part that is no file.

    Raises:
        ApiError: 400, a name comes twice, or a value is not allowed.
    """
    document: dict[str, Any] = {}
    for name, text in items:
        if name in document:
            raise refused("the field is given twice", _shown(name))
        kind = str if name in ImageRequest.model_fields else FormText
        document[name] = _FROM_TEXT.get(name, kind)(text)
    return _validated(document)


def _validated(document: Mapping[str, Any]) -> ImageRequest:
    try:
        return ImageRequest.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if not first["loc"]:
            raise refused("the name of a field holds half of a character", code="invalid_json") from None
        name = str(first["loc"][0])
        if name == "style":
            raise refused("'style' is of OpenAI's models only; leave it out", name) from None
        message = first["msg"]
        if name == "size":
            message = "expected WIDTHxHEIGHT in pixels, such as 64x64, or auto"
        raise refused(f"{name!r}: {message[0].lower()}{message[1:]}", name) from None


def _not_a_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for name, _ in pairs:
            if found.pop(name, pairs) is pairs:  # it was there before
                raise refused("the field is given twice", _shown(name))
    return found


_JSON = json.JSONDecoder(parse_constant=_not_a_number, object_pairs_hook=_object)
"""Made once: to make it takes as long as to read a request."""


def _whole(text: str) -> int | str:
    digits = text.isascii() and text.removeprefix("-").isdecimal() and len(text) <= 18
    return int(text) if digits else text


def _yes_or_no(text: str) -> bool | str:
    return {"true": True, "false": False}.get(text, text)


def _shown(name: str) -> str:
    return name[:64]


_FROM_TEXT: dict[str, Callable[[str], Any]] = {**dict.fromkeys(_WHOLE, _whole), "stream": _yes_or_no}
