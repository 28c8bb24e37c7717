"""Errors of the framework in OpenAI's form, from a real gateway."""

import json
import urllib.error
import urllib.request

import pytest

from litho.serving.gateway.program import Program


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/v1/nothing", 404, "not_found"), ("DELETE", "/v1/models", 405, "method_not_allowed")],
)
def test_every_path_answers_with_the_error_object(
    gateway: Program, method: str, path: str, status: int, code: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.urlopen(urllib.request.Request(f"{gateway.url}{path}", method=method))
    with failed.value:
        assert failed.value.code == status
        error = json.load(failed.value)["error"]
    assert error["code"] == code
    assert {"message", "type", "param"} <= error.keys()


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/metrics", "/openapi.json", "/v1/models", "/v2/models/tiny"]
)
def test_what_can_be_read_has_a_head(gateway: Program, path: str) -> None:
    with urllib.request.urlopen(f"{gateway.url}{path}") as answer:
        whole, content = answer, answer.read()
    with urllib.request.urlopen(urllib.request.Request(f"{gateway.url}{path}", method="HEAD")) as answer:
        assert answer.headers["content-type"] == whole.headers["content-type"]
        assert int(answer.headers["content-length"]) > len(content) * 0.9
        assert answer.read() == b""


def test_what_is_only_sent_to_has_no_head(gateway: Program) -> None:
    asked = urllib.request.Request(f"{gateway.url}/v1/images/generations", method="HEAD")
    with pytest.raises(urllib.error.HTTPError) as failed:
        urllib.request.urlopen(asked)
    with failed.value:
        assert failed.value.code == 405
        assert failed.value.headers["allow"] == "POST"
