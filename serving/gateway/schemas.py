"""Parts of the OpenAPI document that do not depend on what is served: answers, errors, and the card of a model."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from ...signature import Signature
from ..provenance.receipt import Receipt

__all__ = [
    "ERROR",
    "REQUEST_ID",
    "answered",
    "components",
    "errors",
    "events",
    "object_of",
    "on_path",
    "schema",
]

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SEED: Schema = {"type": ["integer", "null"]}
_SIZE: Schema = {"type": "string", "pattern": "^[0-9]+x[0-9]+$"}

REQUEST_ID = {"x-request-id": {"schema": _TEXT, "description": "Id of the request."}}
_RETRY_AFTER = {"Retry-After": {"schema": _TEXT, "description": "Seconds until another try."}}

_SAID = {
    400: "The request has to change; `param` names the field.",
    401: "No valid API key.",
    403: "The page or host that asks may not.",
    404: "There is no such thing.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    415: "The body has another type.",
    429: "Over a limit.",
    431: "The head is too large.",
    500: "A fault of the gateway.",
    502: "The model failed on a request that was checked.",
    503: "Triton is down, loads the model, or is busy.",
    504: "The pictures were not made in time.",
}


def object_of(properties: dict[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


ERROR = object_of(
    {
        "error": object_of(
            {
                "message": _TEXT,
                "type": _TEXT,
                "param": _TEXT_OR_NULL,
                "code": _TEXT_OR_NULL,
                "request_id": _TEXT,
            },
            optional=("request_id",),
        )
    }
)
"""OpenAI's error object."""

_PICTURE = object_of(
    {
        "b64_json": _TEXT,
        "url": {"type": "string", "format": "uri"},
        "seed": _SEED,
        "receipt": {"$ref": "#/components/schemas/Receipt"},
    },
    optional=("b64_json", "url"),
)
_USAGE = object_of(
    {
        "input_tokens": _COUNT,
        "input_tokens_details": object_of({"image_tokens": _COUNT, "text_tokens": _COUNT}),
        "output_tokens": _COUNT,
        "total_tokens": _COUNT,
    }
)
_IMAGES = object_of(
    {
        "created": _COUNT,
        "data": {"type": "array", "items": {"$ref": "#/components/schemas/Picture"}},
        "background": {"enum": ["opaque", "transparent"]},
        "output_format": {"enum": ["png", "jpeg", "webp"]},
        "size": _SIZE,
        "safety_identifier": _TEXT,
        "usage": _USAGE,
    },
    optional=("safety_identifier",),
)
_EVENT: dict[str, Schema] = {
    "b64_json": _TEXT,
    "created_at": _COUNT,
    "index": _COUNT,
    "background": {"enum": ["opaque", "transparent"]},
    "output_format": {"enum": ["png", "jpeg", "webp"]},
    "quality": {"const": "auto"},
    "size": _SIZE,
    "safety_identifier": _TEXT,
}
_FACTS = object_of(
    {
        "signature": {"$ref": "#/components/schemas/Signature"},
        "variant": _TEXT,
        "precision": _TEXT,
        "grade": _TEXT,
        "version": _COUNT,
        "bundle": _TEXT,
        "checkpoint_sha256": _TEXT,
        "bundle_sha256": _TEXT,
        "variants": {"type": "array", "items": _TEXT},
        "decoupled": {"type": "boolean"},
        "max_batch_size": _COUNT,
        "most_pictures": _COUNT,
        "explanations": {"type": "boolean"},
    }
)
_MODEL = object_of(
    {"id": _TEXT, "object": {"const": "model"}, "created": _COUNT, "owned_by": _TEXT, "litho": _FACTS}
)
_MODELS = object_of(
    {
        "object": {"const": "list"},
        "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}},
    }
)
_OWN = {"Error": ERROR, "Picture": _PICTURE, "Images": _IMAGES, "Model": _MODEL, "Models": _MODELS}


def events(kind: str) -> Schema:
    """A server-sent event of a stream; its data is a JSON object, as OpenAI's clients read it.

    Args:
        kind: what the names of events begin with, such as "image_edit".
    """
    preview = {**_EVENT, "partial_image_index": {"type": "integer", "minimum": 0, "maximum": 2}}
    finished = {**_EVENT, "usage": _USAGE, "seed": _SEED, "receipt": schema("Receipt")}
    data = {
        f"{kind}.partial_image": object_of(preview, optional=("safety_identifier",)),
        f"{kind}.completed": object_of(finished, optional=("safety_identifier",)),
        "error": ERROR,
    }
    return {"anyOf": [_event(name, one) for name, one in data.items()]}


def _event(name: str, data: Schema) -> Schema:
    properties = {"type": {"const": name}, **data["properties"]}
    content = {**data, "properties": properties, "required": ["type", *data["required"]]}
    text: Schema = {"type": "string", "contentMediaType": "application/json", "contentSchema": content}
    return object_of({"event": {"const": name}, "data": text})


@cache
def components() -> dict[str, Schema]:
    """The schemas that others name: name -> schema."""
    template = "#/components/schemas/{model}"
    receipt = models_json_schema([(Receipt, "validation")], ref_template=template)[1]["$defs"]
    signature = models_json_schema([(Signature, "serialization")], ref_template=template)[1]["$defs"]
    return {**signature, **receipt, **_OWN}


def schema(name: str) -> Schema:
    """A reference to one of them."""
    return {"$ref": f"#/components/schemas/{name}"}


def answered(description: str, content: dict[str, Schema], **headers: Schema) -> Schema:
    """The answer 200.

    Args:
        description: of it.
        content: media type -> schema.
        headers: further ones, name -> schema.
    """
    described = {name.replace("_", "-"): {"schema": one} for name, one in headers.items()}
    return {
        "200": {
            "description": description,
            "headers": {**REQUEST_ID, **described},
            "content": {kind: {"schema": one} for kind, one in content.items()},
        }
    }


def errors(*statuses: int) -> Schema:
    """Answers of these statuses, in OpenAI's form."""
    return {
        str(status): {
            "description": _SAID[status],
            "headers": REQUEST_ID | (_RETRY_AFTER if status in (429, 503) else {}),
            "content": {"application/json": {"schema": schema("Error")}},
        }
        for status in statuses
    }


def on_path(name: str) -> list[Schema]:
    """The parameter of a path."""
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}]
