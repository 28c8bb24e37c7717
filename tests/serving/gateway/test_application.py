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
