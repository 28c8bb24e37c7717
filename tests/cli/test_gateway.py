"""The verb `gateway` as a user runs it."""

import http.client
import json
import signal
import subprocess
import sys
import urllib.request
from contextlib import ExitStack, closing

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
        assert process.wait(120) == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001", "grpc://127.0.0.1:8001/digits"])
def test_another_address_is_refused_in_one_line(url: str) -> None:
    command = [sys.executable, "-m", "litho", "gateway", url]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == f"litho: error: server was given {url!r}; expected grpc://HOST:PORT\n"


def test_at_the_end_accepted_requests_are_finished_and_new_ones_refused(server: EmbeddedServer) -> None:
    command = [sys.executable, "-m", "litho", "gateway", server.grpc_url, "--port", "0", "--json"]
    command += ["--log-format", "json"]
    body = b'{"model": "tiny", "label": 3, "seed": 7}'
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        assert process.stdout is not None
        assert process.stderr is not None
        address = json.loads(process.stdout.readline())["gateway"].removeprefix("http://")
        early, late = (stack.enter_context(closing(http.client.HTTPConnection(address))) for _ in range(2))
        late.request("GET", "/v1/models")
        late.getresponse().read()
        early.putrequest("POST", "/v1/images/generations")
        early.putheader("Content-Type", "application/json")
        early.putheader("Content-Length", str(len(body)))
        early.endheaders(body[:10])
        in_flight = b""
        while b"requests_in_flight 2.0" not in in_flight:  # the one that asks, and the one with half a body
            late.request("GET", "/metrics")
            in_flight = late.getresponse().read()
        process.send_signal(signal.SIGTERM)
        draining = json.loads(next(line for line in process.stderr if "draining" in line))
        assert draining["in_hand"] == 1
        late.request("GET", "/v1/models")
        refused = late.getresponse()
        assert refused.status == 503
        assert refused.headers["Retry-After"] == "5"
        assert json.load(refused)["error"]["code"] == "server_shutting_down"
        early.send(body[10:])
        answer = early.getresponse()
        assert answer.status == 200
        assert json.load(answer)["data"][0]["seed"] == 7
        assert process.wait(120) == 0
        lines = [json.loads(line) for line in process.stderr]
    assert [line["status"] for line in lines if line["event"] == "request"] == [503, 200]
    assert "label" not in str(lines)
