"""The verb `gateway` as a user runs it."""

import json
import signal
import subprocess
import sys
import urllib.request

import pytest

from litho.serving.server.embedded import EmbeddedServer


def test_it_says_where_it_listens_and_ends_on_sigterm(server: EmbeddedServer) -> None:
    command = [sys.executable, "-m", "litho", "gateway", server.grpc_url, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["gateway"]
        with urllib.request.urlopen(f"{url}/v1/models") as answer:
            assert [model["id"] for model in json.load(answer)["data"]] == ["tiny"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001", "grpc://127.0.0.1:8001/digits"])
def test_another_address_is_refused_in_one_line(url: str) -> None:
    command = [sys.executable, "-m", "litho", "gateway", url]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == f"litho: error: server was given {url!r}; expected grpc://HOST:PORT\n"
