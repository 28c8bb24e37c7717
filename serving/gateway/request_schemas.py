"""What a request for pictures may hold, as JSON Schema: written from the signatures of what is served now.

The schema allows what `plan.planned` takes, and nothing else, so that programs can make requests from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import product
from typing import Any

from ...signature.fields import MAX_TEXT_BYTES, Field, Role
from .data_urls import DATA_URL_PATTERN
from .inputs import BLANKS
from .pictures import MEDIA_TYPES
from .schemas import object_of
from .served_models import Served
from .settings import GatewaySettings

__all__ = ["any_word", "edit_body", "edit_schema", "generation_schema"]

Schema = dict[str, Any]

_PICTURES = (Role.IMAGE, Role.MASK)
_MOST_USER_CHARACTERS = 512
_FILE: Schema = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
_FILE_TYPES = ", ".join(MEDIA_TYPES.values())
_IMAGE, _IMAGES, _MASK = "image", "image[]", "mask"
_FILES = (_IMAGE, _IMAGES, _MASK)

_Part = tuple[str, dict[str, Schema]]
"""Words for the title, and properties."""

_WAYS: tuple[_Part, ...] = (
    (
        "",
        {
            # Programs that make clients know truth values by their type alone.
            "stream": {"anyOf": [{"type": "boolean", "const": False}, {"type": "null"}]},
            "response_format": {"enum": ["b64_json", "url", None]},
            "partial_images": {"enum": [0, None]},
        },
    ),
    (
        "in a stream",
        {
            "stream": {"type": "boolean", "const": True, "x-required": True},
            "response_format": {"enum": ["b64_json", None]},
            "partial_images": {"type": ["integer", "null"], "minimum": 0, "maximum": 3},
        },
    ),
)
"""How pictures are answered: in a document, or in a stream."""


def generation_schema(models: Sequence[Served], settings: GatewaySettings) -> Schema:
    """Bodies of `POST /v1/images/generations`."""
    bodies = [
        _body(served, models, _plain(served, models, settings), motif, encoding, way)
        for served in models
        if served.signature.field(Role.IMAGE) is None
        for motif in _motifs(served)
        for encoding in _encodings(served)
        for way in _WAYS
    ]
    return _any_of(bodies)


def edit_body(models: Sequence[Served], settings: GatewaySettings) -> Schema:
    """Forms of `POST /v1/images/edits`, with the media types of their parts.

    The picture is `image`, or `image[]`, as clients call it that send lists. That a mask has the
    size of its picture, and a hole, is said in words: JSON Schema compares no files.
    """
    forms = [
        _form(_body(served, models, sent, _plain(served, models, settings), *ways))
        for served in models
        if served.signature.field(Role.IMAGE) is not None
        for sent in _sent(served, settings)
        for ways in product(_motifs(served), _encodings(served), _WAYS)
    ]
    lists = {
        field.name: {"contentType": "application/json"}
        for served in models
        for field in served.signature.inputs
        if field.shape and field.role not in _PICTURES
    }
    return {
        "schema": _any_of(forms),
        "encoding": {**{name: {"contentType": _FILE_TYPES} for name in _FILES}, **lists},
    }


def edit_schema(models: Sequence[Served], settings: GatewaySettings) -> Schema:
    """JSON bodies of `POST /v1/images/edits`: the same with data URLs in place of files."""
    bodies = [
        _body(served, models, _referred(served, settings), _plain(served, models, settings), *ways)
        for served in models
        if served.signature.field(Role.IMAGE) is not None
        for ways in product(_motifs(served), _encodings(served), _WAYS)
    ]
    return _any_of(bodies)


def _referred(served: Served, settings: GatewaySettings) -> _Part:
    """The pictures of a JSON body."""
    image = _data_url(_said_of_picture(settings))
    images: Schema = {"type": "array", "items": image, "minItems": 1, "maxItems": 1, "x-required": True}
    mask: Schema = {"type": "null"}
    if served.signature.field(Role.MASK) is not None:
        mask = {**_data_url(_said_of_mask(settings)), "x-required": True}
    return "in JSON", {"images": images, _MASK: mask}


def _data_url(said: str) -> Schema:
    """The object of a picture; here nothing is fetched and no file is stored."""
    url: Schema = {
        "type": "string",
        "format": "uri",
        "pattern": DATA_URL_PATTERN,
        "description": f"A data URL, in base64, of a {said}",
    }
    return object_of({"image_url": url, "file_id": {"type": "null"}}, optional=("file_id",))


def _said_of_picture(settings: GatewaySettings) -> str:
    most = f"{settings.most_upload_bytes} bytes and {settings.most_upload_pixels} pixels"
    return f"PNG, JPEG or WebP of at most {most}"


def _said_of_mask(settings: GatewaySettings) -> str:
    hole = "its transparent pixels, or else its light ones, are the hole."
    return f"{_said_of_picture(settings)}, as wide and high as the picture; {hole}"


def _sent(served: Served, settings: GatewaySettings) -> Iterator[_Part]:
    """The files of a form, by both names of the picture."""
    said = f"{_said_of_picture(settings)}. Clients that send a list, here of one, call it image[]."
    image = {**_FILE, "description": said}
    mask = {_MASK: {**_FILE, "description": _said_of_mask(settings), "x-required": True}}
    masks = mask if served.signature.field(Role.MASK) is not None else {}
    yield "", {_IMAGE: {**image, "x-required": True}, **masks}
    yield "of a list", {_IMAGES: {**image, "x-required": True}, **masks}


def _form(body: Schema) -> Schema:
    """The same for a form: what is null there is left out."""
    properties = {
        name: one if name in _FILES else _without_null(one)
        for name, one in body["properties"].items()
        if one.get("type") != "null"
    }
    return {**body, "properties": properties}


def _any_of(bodies: list[Schema]) -> Schema:
    """One object, for programs that make a class of it, which is any of these."""
    if not bodies:
        # Which nothing is: no model takes any request.
        nothing: Schema = {"type": "object", "additionalProperties": False, "maxProperties": 0}
        return {**nothing, "properties": {_IMAGE: _FILE}, "required": [_IMAGE]}
    # A class has one name for both names of the picture.
    names = dict.fromkeys(name for body in bodies for name in body["properties"] if name != _IMAGES)
    properties = {
        name: _together([body["properties"][name] for body in bodies if name in body["properties"]])
        for name in names
    }
    required = [name for name in names if all(name in body["required"] for body in bodies)]
    return {"type": "object", "properties": properties, "required": required, "allOf": [{"anyOf": bodies}]}


def _together(values: list[Schema]) -> Schema:
    """What is one of the values, or more."""
    if all(value == values[0] for value in values):
        return values[0]
    words = [
        value["enum"] if "enum" in value else [value["const"]] for value in values if _WORDS & value.keys()
    ]
    found = list(dict.fromkeys(word for some in words for word in some))
    if len(words) == len(values) and not any(isinstance(word, bool) for word in found):
        return {"enum": found}
    kinds = dict.fromkeys(kind for value in values for kind in _kinds(value))
    return {} if "" in kinds else {"type": list(kinds) if len(kinds) > 1 else next(iter(kinds))}


_WORDS = frozenset({"enum", "const"})
_KINDS = {"str": "string", "int": "integer", "bool": "boolean", "NoneType": "null", "float": "number"}


def _kinds(value: Schema) -> list[str]:
    """Types of a value; "" for those that are not said."""
    if "type" in value:
        return value["type"] if isinstance(value["type"], list) else [value["type"]]
    if "anyOf" in value:
        return [kind for one in value["anyOf"] for kind in _kinds(one)]
    return [_KINDS[type(word).__name__] for word in value.get("enum", [])] or [""]


def _body(served: Served, models: Sequence[Served], *parts: _Part) -> Schema:
    """An object of all properties of the parts; no other has its title, which clients make the name of a class of."""
    properties = {name: dict(value) for _, part in parts for name, value in part.items()}
    required = [name for name, value in properties.items() if value.pop("x-required", False)]
    required += ["model"] if len(models) > 1 else []
    required += [field.name for field in _required(served) if field.role is not Role.LABEL]
    optional = tuple(name for name in properties if name not in required)
    title = ", ".join([f"For the model {served.name}", *(words for words, _ in parts if words)])
    return {"title": title, **object_of(properties, optional=optional)}


def _plain(served: Served, models: Sequence[Served], settings: GatewaySettings) -> _Part:
    return "", {**_common(served, models, settings), **_fields(served, settings)}


def _common(served: Served, models: Sequence[Served], settings: GatewaySettings) -> dict[str, Schema]:
    seeded = served.signature.field(Role.SEED) is not None
    user: Schema = {"type": ["string", "null"], "maxLength": _MOST_USER_CHARACTERS}
    return {
        "model": {"const": served.name} if len(models) > 1 else {"enum": [served.name, None]},
        "variant": {"enum": [served.facts.variant, None]},
        "n": {"type": ["integer", "null"], "minimum": 1, "maximum": settings.most_pictures if seeded else 1},
        "size": _size(served),
        "quality": {"enum": ["auto", "standard", None]},
        "moderation": {"enum": ["auto", None]},
        "style": {"type": "null"},
        "user": user,
        "safety_identifier": user,
    }


def _size(served: Served) -> Schema:
    output = served.signature.output
    if output.free:
        side = any_word({str(side) for side in _sides(served)})
        return {"type": ["string", "null"], "pattern": f"^(auto|{side}x{side})$"}
    height, width = output.shape[:2]
    return {"enum": ["auto", f"{width}x{height}", None]}


def _sides(served: Served) -> Iterator[int]:
    """Heights and widths of a model whose pictures have any size."""
    source, made = served.signature.sized_by, served.signature.output.usual_size
    assert source is not None, "its size is free"
    assert source.usual_size is not None, "its size is free"
    assert made is not None, "both are free together"
    least, most = source.least_side or 1, source.most_side or 1
    for side in range(least, most + 1, source.divisible_by):
        yield round(side * made[0] / source.usual_size[0])


def any_word(words: Collection[str]) -> str:
    """A regular expression of these words and no others; beginnings that go on alike share what follows."""
    ends: dict[frozenset[str], str] = {}
    rests: dict[str, set[str]] = {}
    for word in words:
        if word:
            rests.setdefault(word[0], set()).add(word[1:])
    for first, rest in sorted(rests.items()):
        ends[frozenset(rest)] = ends.get(frozenset(rest), "") + first
    found = "|".join(
        (first if len(first) == 1 else f"[{first}]") + any_word(rest) for rest, first in ends.items()
    )
    if not found:
        return ""
    return f"({found}){'?' if '' in words else ''}"


def _motifs(served: Served) -> Iterator[_Part]:
    """What a picture shows: by prompt, by class, or by neither."""
    prompt, label = served.signature.field(Role.PROMPT), served.signature.field(Role.LABEL)
    if prompt is not None:
        optional = prompt.default is not None
        text: Schema = {"type": ["string", "null"] if optional else "string", "maxLength": MAX_TEXT_BYTES}
        yield "", {"prompt": {**text, "x-required": not optional}}
        return
    nothing: Schema = {"type": ["string", "null"], "pattern": f"^[{BLANKS}]*$"}
    if label is None:
        yield "", {"prompt": nothing}
        return
    count = int(label.maximum or 0) + 1
    numbers = [str(number) for number in range(count)]
    names = list(dict.fromkeys([*(label.class_names or ()), *numbers]))
    given = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": count - 1}, {"enum": names}]}
    yield f"by {label.name}", {"prompt": nothing, label.name: {**given, "x-required": label.default is None}}
    yield "by prompt", {"prompt": {"enum": names, "x-required": True}, label.name: {"type": "null"}}


def _encodings(served: Served) -> Iterator[_Part]:
    alpha = served.signature.output.shape[2] % 2 == 0
    plain: list[str | None] = ["auto", "opaque", None]
    clear = [*plain, *(["transparent"] if alpha else [])]
    compression: Schema = {"type": ["integer", "null"], "minimum": 0, "maximum": 100}
    encoding: dict[str, Schema] = {
        "output_format": {"enum": ["png", None]},
        "output_compression": {"enum": [100, None]},
        "background": {"enum": clear},
    }
    yield "as png", encoding
    for form, background in (("jpeg", plain), ("webp", clear)):
        encoding = {
            "output_format": {"const": form, "x-required": True},
            "output_compression": dict(compression),
            "background": {"enum": background},
        }
        yield f"as {form}", encoding


def _required(served: Served) -> list[Field]:
    free = (Role.SEED, Role.PROMPT, *_PICTURES)
    return [field for field in served.signature.inputs if field.default is None and field.role not in free]


def _fields(served: Served, settings: GatewaySettings) -> dict[str, Schema]:
    others = (Role.PROMPT, Role.LABEL, *_PICTURES)
    fields = [field for field in served.signature.inputs if field.role not in others]
    required = {field.name for field in _required(served)}
    return {field.name: _value(field, settings, null=field.name not in required) for field in fields}


def _value(field: Field, settings: GatewaySettings, *, null: bool) -> Schema:
    most = field.maximum
    if field.role is Role.STEPS and settings.most_steps is not None:
        most = settings.most_steps if most is None else min(most, settings.most_steps)
    value: Schema = {
        "type": {"INT64": "integer", "UINT8": "integer", "FP32": "number"}.get(field.dtype, "string")
    }
    if field.dtype == "BYTES":
        value["maxLength"] = MAX_TEXT_BYTES
    else:
        least_of, most_of = {"INT64": (-(2**63), 2**63 - 1), "UINT8": (0, 255)}.get(
            field.dtype, (-3.4e38, 3.4e38)
        )
        value["minimum"] = least_of if field.minimum is None else field.minimum
        value["maximum"] = most_of if most is None else most
    for extent in reversed(field.shape):
        value = {"type": "array", "items": value, "minItems": extent, "maxItems": extent}
    return {**value, "type": [value["type"], "null"]} if null else value


def _without_null(value: Schema) -> Schema:
    """The same for a form: its fields are left out in place of null, and whatever they hold is a text."""
    if "enum" in value:
        return {**value, "enum": [one for one in value["enum"] if one is not None]}
    if "anyOf" in value:
        ways = [one for one in value["anyOf"] if one.get("type") != "null"]
        rest = {name: one for name, one in value.items() if name != "anyOf"}
        return {**rest, **ways[0]} if len(ways) == 1 else {**rest, "anyOf": ways}
    kinds = value.get("type")
    kind = next(one for one in kinds if one != "null") if isinstance(kinds, list) else kinds
    rest = {name: one for name, one in value.items() if name != "type"}
    return rest if kind is None or (kind == "string" and "pattern" not in rest) else {**rest, "type": kind}
