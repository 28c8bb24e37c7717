"""The paths of the protocol as the OpenAPI document describes them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from ....signature import Signature
from .infer_request import MOST_ID_LENGTH
from .tensors import wire_shape

__all__ = [
    "CONFIGURATION",
    "INFER",
    "LIVE",
    "METADATA",
    "READY",
    "SERVER",
    "describe_models",
    "example_request",
    "on_model",
]

MOST_EXAMPLE_VALUES = 4096
"""Of a request in the document: a picture of many pixels would make it long."""

_TEXT = {"type": "string"}
_INT64 = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
_DATATYPE = {"type": "string", "enum": ["INT64", "FP32", "UINT8", "BYTES"]}
_REQUEST_ID = {"x-request-id": {"schema": _TEXT, "description": "Id of the request."}}
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds until another try."}}


def _object(properties: dict[str, Any], *, required: tuple[str, ...] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else list(required),
        "additionalProperties": False,
    }


def _list(items: dict[str, Any], **limits: int) -> dict[str, Any]:
    return {"type": "array", "items": items, **limits}


_ERROR = _object(
    {
        "error": _TEXT,
        "type": _TEXT,
        "param": {"type": ["string", "null"]},
        "code": {"type": ["string", "null"]},
        "request_id": _TEXT,
    },
    required=("error", "type", "param", "code"),
)
_SAID = {
    400: "The request has to change.",
    401: "No valid API key.",
    403: "The API key may not do this.",
    404: "No such model, or version.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    415: "The body is compressed.",
    429: "Over a limit of the API key.",
    431: "The head is too large.",
    500: "A fault of the gateway.",
    502: "The model failed on a request that was checked.",
    503: "Triton is down, loads the model, or is busy.",
    504: "The pictures were not made in time.",
}


def _errors(*statuses: int) -> dict[str, Any]:
    return {
        str(status): {
            "description": _SAID[status],
            "headers": _REQUEST_ID | (_RETRY_AFTER if status in (429, 503) else {}),
            "content": {"application/json": {"schema": _ERROR}},
        }
        for status in statuses
    }


def _answer(schema: dict[str, Any] | None, description: str) -> dict[str, Any]:
    content = {} if schema is None else {"content": {"application/json": {"schema": schema}}}
    return {"200": {"description": description, "headers": _REQUEST_ID, **content}}


_ASKED = _errors(400, 401, 403, 429, 503)
_OF_MODEL = _errors(400, 401, 403, 404, 429, 503)

SERVER = {
    "responses": _answer(
        _object({"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)}), "The gateway."
    )
    | _ASKED
}
LIVE = {"responses": _answer(None, "It lives.") | _ASKED}
READY = {"responses": _answer(None, "It is ready.") | _OF_MODEL}

_TENSOR_METADATA = _object(
    {"name": _TEXT, "datatype": _DATATYPE, "shape": _list({"type": "integer", "minimum": -1})}
)
METADATA = {
    "responses": _answer(
        _object(
            {
                "name": _TEXT,
                "versions": _list(_TEXT),
                "platform": _TEXT,
                "inputs": _list(_TENSOR_METADATA),
                "outputs": _list(_TENSOR_METADATA),
            }
        ),
        "Inputs and outputs.",
    )
    | _OF_MODEL
}
CONFIGURATION = {
    "responses": _answer({"type": "object"}, "Triton's message ModelConfig, as JSON.") | _OF_MODEL
}

_VALUES = {
    "description": "Values in row-major order, flat or nested as the shape is.",
    "type": "array",
    "items": {},
    "minItems": 1,
}
_INPUT = _object(
    {
        "name": _TEXT,
        "shape": _list({"type": "integer", "minimum": 1, "maximum": 2**31 - 1}, minItems=2, maxItems=8),
        "datatype": _DATATYPE,
        "parameters": _object(
            {"binary_data_size": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}}, required=()
        ),
        "data": _VALUES,
    },
    required=("name", "shape", "datatype"),
)
_WANTED = _object(
    {"name": _TEXT, "parameters": _object({"binary_data": {"type": "boolean"}}, required=())},
    required=("name",),
)
_REQUEST = _object(
    {
        "id": {"type": ["string", "null"], "maxLength": MOST_ID_LENGTH},
        "parameters": _object(
            {
                "binary_data_output": {"type": "boolean"},
                "priority": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
                "receipts": {"type": "boolean"},
                "timeout": {"type": "integer", "minimum": 0, "maximum": 10**12},
            },
            required=(),
        ),
        "inputs": _list(_INPUT, minItems=1, maxItems=64),
        "outputs": {**_list(_WANTED, maxItems=1), "type": ["array", "null"]},
    },
    required=("inputs",),
)
_MADE = _object(
    {
        "name": _TEXT,
        "datatype": _DATATYPE,
        "shape": _list(_INT64),
        "parameters": _object({"binary_data_size": _INT64}),
        "data": _list({"type": "integer", "minimum": 0, "maximum": 255}),
    },
    required=("name", "datatype", "shape"),
)
_ANSWER = _object(
    {
        "model_name": _TEXT,
        "model_version": _TEXT,
        "id": _TEXT,
        "parameters": _object({"receipts": _TEXT}),
        "outputs": _list(_MADE),
    },
    required=("model_name", "model_version", "outputs"),
)
_LENGTH = {"schema": {"type": "string"}, "description": "Bytes of the JSON in front of raw tensors."}
_RAW = {"schema": {"type": "string", "format": "binary"}}

INFER: dict[str, Any] = {
    "parameters": [
        {
            "name": "Inference-Header-Content-Length",
            "in": "header",
            "required": False,
            "description": _LENGTH["description"],
            "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,11}$"},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _REQUEST}, "application/octet-stream": _RAW},
    },
    "responses": {
        "200": {
            "description": "Pictures, as numbers or as raw bytes behind the JSON.",
            "headers": _REQUEST_ID | {"Inference-Header-Content-Length": _LENGTH},
            "content": {"application/json": {"schema": _ANSWER}, "application/octet-stream": _RAW},
        }
    }
    | _errors(400, 401, 403, 404, 408, 413, 415, 429, 502, 503, 504),
}


def on_model(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    """An operation on a model, with the parameters that its path has."""
    names = [name for name in ("model", "version") if f"{{{name}}}" in path]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
    ]
    return {**operation, "parameters": parameters + operation.get("parameters", [])}


def describe_models(
    paths: dict[str, Any], signatures: Mapping[str, Signature], versions: Collection[str] = ()
) -> None:
    """Name the models of the moment in the paths of an OpenAPI document, with a request for each of them.

    Args:
        paths: of the document; those of the protocol are changed.
        signatures: of the models, by name.
        versions: of any of them.
    """
    named = {"model": sorted(signatures), "version": sorted(versions)}
    examples = {
        name: {"value": example_request(signature)}
        for name, signature in signatures.items()
        if _values(signature) <= MOST_EXAMPLE_VALUES
    }
    for path, operations in paths.items():
        if not path.startswith("/v2/models/"):
            continue
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if known := named.get(parameter["name"]):
                    parameter["schema"] = {"type": "string", "enum": known}
            if examples and "requestBody" in operation:
                operation["requestBody"]["content"]["application/json"]["examples"] = examples


def example_request(signature: Signature) -> dict[str, Any]:
    """A request for one picture, with all inputs as JSON."""
    tensors = [
        {
            "name": field.name,
            "shape": [1, *(array.shape[1:] or wire_shape(field))],
            "datatype": field.dtype,
            "data": array.ravel().tolist(),
        }
        for field, array in zip(signature.inputs, signature.example(1).values(), strict=True)
    ]
    return {"inputs": tensors}


def _values(signature: Signature) -> int:
    return sum(math.prod(field.usual_shape) for field in signature.inputs)
