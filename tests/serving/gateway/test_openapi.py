"""The document of a running gateway, held against what it answers."""

import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from litho.serving.gateway.program import Program


def asked(gateway: Program, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{gateway.url}{path}", content, headers)
        ) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.fixture(scope="module")
def document(gateway: Program) -> dict[str, Any]:
    return asked(gateway, "/openapi.json")[1]


def test_every_reference_leads_somewhere_and_every_answer_is_said(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert named <= document["components"]["schemas"].keys()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert "422" not in operation["responses"]
            if path.startswith("/v1"):
                assert {"200", "400", "401", "403", "429", "500", "503"} <= operation["responses"].keys()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models", None),
        ("/v1/models/tiny", None),
        ("/v1/models/none", None),
        ("/v1/images/generations", {"prompt": "3", "n": 2}),
        ("/v1/images/generations", {"prompt": "3", "response_format": "url"}),
        ("/v1/images/generations", {"prompt": "a cat"}),
    ],
)
def test_answers_are_as_described(
    document: dict[str, Any], gateway: Program, path: str, body: dict[str, Any] | None
) -> None:
    status, answer = asked(gateway, path, body)
    described = path if path in document["paths"] else "/v1/models/{model}"
    said = document["paths"][described]["get" if body is None else "post"]["responses"][str(status)]
    schema = said["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(answer)


def test_a_path_that_no_model_takes_is_not_in_the_document(
    document: dict[str, Any], streaming_gateway: Program
) -> None:
    """No request to it would be right, but programs that make requests from the document make some."""
    edits, generations = "/v1/images/edits", "/v1/images/generations"
    assert generations in document["paths"]
    assert edits not in document["paths"]
    assert {edits, generations} <= asked(streaming_gateway, "/openapi.json")[1]["paths"].keys()
