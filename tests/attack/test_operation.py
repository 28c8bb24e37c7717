"""Whoever may ask for pictures may not operate the server: loading a model can bring code along."""

import base64
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from litho.runners import open_runner
from litho.serving.server.embedded import EmbeddedServer

SPY = """
import pathlib
pathlib.Path({!r}).touch()
class TritonPythonModel:
    def execute(self, requests):
        return []
"""
TENSOR = {"data_type": "TYPE_INT64", "dims": [1]}
CONFIGURATION = {
    "backend": "python",
    "input": [{"name": "a", **TENSOR}],
    "output": [{"name": "b", **TENSOR}],
}


def post(server: EmbeddedServer, path: str, document: Any) -> int:
    # As a page of a browser can send it: without headers of its own.
    request = urllib.request.Request(f"{server.http_url}/v2/{path}", json.dumps(document).encode())
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_page_in_a_browser_cannot_load_code_into_the_server(server: EmbeddedServer, tmp_path: Path) -> None:
    code = base64.b64encode(SPY.format(str(tmp_path / "loaded")).encode()).decode()
    parameters = {"config": json.dumps(CONFIGURATION), "file:1/model.py": code}
    assert post(server, "repository/models/spy/load", {"parameters": parameters}) == 403
    assert not (tmp_path / "loaded").exists()


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("repository/models/tiny/unload", {}),
        ("repository/models/tiny/load", {}),
        ("repository/index", {}),
        ("trace/setting", {"trace_level": ["TIMESTAMPS"], "trace_rate": "1"}),
        ("logging", {"log_verbose_level": 1}),
    ],
)
def test_a_page_in_a_browser_cannot_operate_the_server(
    path: str, document: Any, server: EmbeddedServer
) -> None:
    assert post(server, path, document) == 403
    with open_runner(f"{server.grpc_url}/tiny") as runner:
        assert runner.run({"seed": [1], "label": [2]})["image"].any()
