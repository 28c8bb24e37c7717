"""Requests that the document allows are those that the gateway takes, and no others."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from litho.serving.gateway.program import Program
from litho.serving.gateway.request_schemas import edit_schema, generation_schema
from litho.serving.gateway.settings import GatewaySettings

BODIES = [
    {"prompt": "3"},
    {"prompt": "3", "model": "tiny", "n": 2, "seed": 2**63 - 1, "size": "32x32", "quality": "auto"},
    {"prompt": "", "label": 9, "user": "me", "style": None, "seed": None},
    {"label": "9", "output_format": "webp", "output_compression": 0, "stream": True, "partial_images": 3},
    {"prompt": "3", "output_format": "jpeg", "background": "opaque", "response_format": "url"},
    {"prompt": "3", "label": 3},
    {"prompt": "3", "truncation": 0.5},
    {"prompt": "3", "output_compression": 50},
    {"prompt": "3", "partial_images": 1},
    {"prompt": "3", "stream": True, "response_format": "url"},
    {"prompt": "3", "output_format": "jpeg", "background": "transparent"},
    {"prompt": "a cat"},
    {"prompt": "", "label": 10},
    {"prompt": "", "label": True},
    {"prompt": "3", "seed": -1},
    {"prompt": "3", "seed": "7"},
    {"prompt": "3", "n": 11},
    {"prompt": "3", "size": "64x64"},
    {"prompt": "3", "more": 1},
    {"model": "other", "prompt": "3"},
    {},
]


@pytest.fixture(scope="module")
def allowed(gateway: Program) -> Draft202012Validator:
    with urllib.request.urlopen(f"{gateway.url}/openapi.json") as answer:
        document = json.load(answer)
    body = document["paths"]["/v1/images/generations"]["post"]["requestBody"]
    return Draft202012Validator(body["content"]["application/json"]["schema"])


@pytest.mark.parametrize("body", BODIES, ids=json.dumps)
def test_the_document_and_the_gateway_agree(
    allowed: Draft202012Validator, gateway: Program, body: dict[str, Any]
) -> None:
    request = urllib.request.Request(
        f"{gateway.url}/v1/images/generations",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            answer.read()
            status = answer.status
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
    assert status in (200, 400, 404)
    assert allowed.is_valid(body) == (status == 200)


def test_a_form_names_the_files_that_its_model_takes(streaming_gateway: Program) -> None:
    with urllib.request.urlopen(f"{streaming_gateway.url}/openapi.json") as answer:
        body = json.load(answer)["paths"]["/v1/images/edits"]["post"]["requestBody"]
    forms = {
        form["properties"]["model"]["const"]: form
        for form in body["content"]["multipart/form-data"]["schema"]["anyOf"]
    }
    assert {"image", "mask", "model"} <= set(forms["filled"]["required"])
    assert "image" in forms["larger"]["required"]
    assert "mask" not in forms["larger"]["properties"]
    assert forms["larger"]["properties"]["n"]["maximum"] == 1


def test_without_models_nothing_is_allowed() -> None:
    settings = GatewaySettings(server="grpc://127.0.0.1:1")
    for schema in (generation_schema([], settings), edit_schema([], settings)):
        assert not Draft202012Validator(schema).is_valid({"prompt": "3"})
