"""Requests that the document allows are those that the gateway takes, and no others."""

import base64
import json
import re
import urllib.error
import urllib.request
from typing import Any

import httpx
import numpy as np
import pytest
from jsonschema import Draft202012Validator

from litho.serving.gateway.program import Program
from litho.serving.gateway.request_schemas import any_word, edit_body, edit_schema, generation_schema
from litho.serving.gateway.settings import GatewaySettings

from .conftest import hole, png

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


FORMS: list[dict[str, Any]] = [
    {"model": "filled"},
    {"model": "filled", "n": 2, "seed": 2**63 - 1, "size": "8x6", "prompt": " ", "quality": "standard"},
    {"model": "filled", "output_format": "webp", "output_compression": 0, "background": "opaque"},
    {"model": "filled", "stream": True, "partial_images": 3, "user": "me"},
    {"model": "filled", "image": None, "image[]": "PICTURE"},
    {"model": "filled", "image[]": "PICTURE"},
    {"model": "filled", "mask": None},
    {"model": "filled", "image": None},
    {"model": "filled", "label": 3},
    {"model": "filled", "prompt": "a cat"},
    {"model": "filled", "n": 11},
    {"model": "filled", "seed": -1},
    {"model": "filled", "size": "6x8"},
    {"model": "filled", "output_compression": 50},
    {"model": "filled", "partial_images": 1},
    {"model": "filled", "stream": True, "response_format": "url"},
    {"model": "filled", "output_format": "jpeg", "background": "transparent"},
    {"model": "larger", "mask": None, "size": "auto"},
    {"model": "larger", "mask": None, "size": "24x16"},
    {"model": "larger", "mask": None, "size": "26x16"},
    {"model": "larger", "mask": None, "size": "24x99996"},
    {"model": "larger", "mask": None, "n": 2},
    {"model": "larger", "mask": None, "seed": 1},
    {"model": "larger"},
    {"model": "whole", "mask": None},
    {"model": None},
]
"""What differs from a picture with a mask; None is left out."""


@pytest.fixture(scope="module")
def edits(streaming_gateway: Program) -> dict[str, Any]:
    with urllib.request.urlopen(f"{streaming_gateway.url}/openapi.json") as answer:
        return json.load(answer)["paths"]["/v1/images/edits"]["post"]["requestBody"]["content"]


@pytest.fixture(scope="module")
def forms(edits: dict[str, Any]) -> dict[str, Any]:
    return edits["multipart/form-data"]


@pytest.mark.parametrize("change", FORMS, ids=json.dumps)
def test_the_document_and_the_gateway_agree_about_forms(
    forms: dict[str, Any], streaming_gateway: Program, change: dict[str, Any]
) -> None:
    picture = np.zeros((6, 8, 3), np.uint8)
    sent = {"image": png(picture), "image[]": png(picture), "mask": hole(picture[..., :1] + 1)}
    form = {"image": "PICTURE", "mask": "PICTURE", **change}
    form = {name: value for name, value in form.items() if value is not None}
    texts = {name: value for name, value in form.items() if name not in sent}
    answer = httpx.post(
        f"{streaming_gateway.url}/v1/images/edits",
        data={name: json.dumps(value).strip('"') for name, value in texts.items()},
        files={name: (f"{name}.png", sent[name], "image/png") for name in form if name in sent},
        timeout=60,
    )
    assert answer.status_code in (200, 400, 404)
    assert Draft202012Validator(forms["schema"]).is_valid(form) == (answer.status_code == 200)


def referred(content: bytes) -> dict[str, Any]:
    return {"image_url": f"data:image/png;base64,{base64.b64encode(content).decode()}"}


PICTURE = np.zeros((6, 8, 3), np.uint8)
IMAGE, HOLE = referred(png(PICTURE)), referred(hole(PICTURE[..., :1] + 1))
REFERRED: list[dict[str, Any]] = [
    *(change for change in FORMS if not change.keys() & {"image", "image[]"}),
    {"model": "filled", "images": [{**IMAGE, "file_id": None}], "seed": None, "size": None},
    {"model": "filled", "images": [IMAGE, IMAGE]},
    {"model": "filled", "images": IMAGE},
    {"model": "filled", "images": []},
    {"model": "filled", "images": None},
    {"model": "filled", "images": [{}]},
    {"model": "filled", "images": [{**IMAGE, "detail": "high"}]},
    {"model": "filled", "images": [{"image_url": "https://example.org/a.png"}]},
    {"model": "filled", "mask": {"file_id": "file-1"}},
    {"model": "filled", "image": IMAGE},
]
"""What differs, in JSON, from a picture with a mask; None is null."""


@pytest.mark.parametrize("change", REFERRED)
def test_the_document_and_the_gateway_agree_about_data_urls(
    edits: dict[str, Any], streaming_gateway: Program, change: dict[str, Any]
) -> None:
    body = {"images": [IMAGE], "mask": HOLE, **change}
    answer = httpx.post(f"{streaming_gateway.url}/v1/images/edits", json=body, timeout=60)
    assert answer.status_code in (200, 400, 404)
    schema = edits["application/json"]["schema"]
    assert Draft202012Validator(schema).is_valid(body) == (answer.status_code == 200)


def test_a_form_says_what_its_files_are(forms: dict[str, Any]) -> None:
    assert forms["encoding"]["image"] == {"contentType": "image/png, image/jpeg, image/webp"}
    assert forms["encoding"]["mask"] == forms["encoding"]["image"]
    (said, *_) = (
        one["properties"]["mask"]["description"]
        for one in forms["schema"]["allOf"][0]["anyOf"]
        if "mask" in one["properties"]
    )
    assert "33554432 bytes and 16777216 pixels" in said


def test_sizes_are_all_that_a_model_makes_and_no_others() -> None:
    for least, most, step in ((1, 130, 1), (8, 1024, 8), (12, 12, 4), (64, 2048, 16)):
        words = {str(side) for side in range(least, most + 1, step)}
        found = re.compile(any_word(words))
        assert {str(side) for side in range(most * 11) if found.fullmatch(str(side))} == words


def test_without_models_nothing_is_allowed() -> None:
    settings = GatewaySettings(server="grpc://127.0.0.1:1")
    forms = edit_body([], settings)["schema"]
    for schema in (generation_schema([], settings), forms, edit_schema([], settings)):
        assert not Draft202012Validator(schema).is_valid({"prompt": "3"})


@pytest.mark.parametrize("kind", ["generation", "edit", "edit in JSON"])
def test_programs_that_make_clients_get_one_class_whose_kinds_have_names_of_their_own(
    allowed: Draft202012Validator, edits: dict[str, Any], kind: str
) -> None:
    """What they know: one object with the properties of all its kinds, and no truth value that a list of words has."""
    form, document = (edits[one]["schema"] for one in ("multipart/form-data", "application/json"))
    schema: Any = {"generation": allowed.schema, "edit": form, "edit in JSON": document}[kind]
    kinds = schema["allOf"][0]["anyOf"]
    named = [one["title"] for some in (form, document) for one in some["allOf"][0]["anyOf"]]
    assert len({one["title"] for one in kinds}) == len(kinds)
    assert len(set(named)) == len(named)
    assert schema["properties"].keys() == {name for one in kinds for name in one["properties"]} - {"image[]"}
    assert "boolean" in str(schema["properties"]["stream"]["type"])
    for one in kinds:
        assert schema["properties"].keys() - {"image"} >= one["properties"].keys() - {"image", "image[]"}
        assert set(schema["required"]) <= set(one["required"])
    values = [value for one in kinds for value in one["properties"].values()]
    assert not any(isinstance(word, bool) for value in values for word in value.get("enum", []))
