"""A gateway whose server is slow, silent, down, or comes later; clients that leave before they are answered."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..conftest import running_gateway
from ..streaming import REFUSED, SHORT, SILENT, cancelled_requests

if TYPE_CHECKING:
    from litho.serving.gateway.program import Program

GENERATIONS = "/v1/images/generations"


@pytest.fixture(scope="module")
def client(streaming_gateway: Program) -> Any:
    import httpx

    with httpx.Client(base_url=streaming_gateway.url, timeout=60) as opened:
        yield opened


def until(reached: Callable[[], bool], seconds: float = 120.0) -> bool:
    limit = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)
    return True


def leave(gateway: Program, body: dict[str, Any]) -> None:
    """Send a request, and go before its answer begins, though not always after it has reached the server."""
    host, _, port = gateway.url.removeprefix("http://").rpartition(":")
    content = json.dumps(body).encode()
    head = (
        f"POST {GENERATIONS} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        connection.sendall(head.encode() + content)
        time.sleep(0.2)


@pytest.mark.parametrize("streamed", [False, True])
def test_the_work_of_a_client_that_left_ends_on_the_server(
    streaming_gateway: Program, streaming_folder: Path, client: Any, streamed: bool
) -> None:
    before = cancelled_requests(streaming_folder)
    body = {"model": "sketch", "steps": 1_000_000, "seed": 1, "stream": streamed}
    if streamed:
        body["partial_images"] = 3

    def left_and_cancelled() -> bool:
        leave(streaming_gateway, body)
        return cancelled_requests(streaming_folder) > before

    assert until(left_and_cancelled)
    assert client.post(GENERATIONS, json={"model": "sketch", "seed": 1}).status_code == 200


def test_a_server_that_answers_too_late_is_504(streaming_server: Any) -> None:
    import httpx

    with running_gateway(streaming_server.grpc_url, timeout_seconds=1.0) as gateway:
        url = gateway.url + GENERATIONS
        answer = httpx.post(url, json={"model": "sketch", "seed": SILENT}, timeout=120)
        assert answer.status_code == 504
        assert answer.json()["error"]["code"] == "deadline_exceeded"
        asked = {"model": "sketch", "seed": 1}
        # A second is little for a machine that stands still for a moment.
        assert until(lambda: httpx.post(url, json=asked, timeout=120).status_code == 200)


def test_an_answer_without_its_picture_is_no_success(client: Any) -> None:
    answer = client.post(GENERATIONS, json={"model": "sketch", "seed": SHORT})
    assert answer.status_code in (502, 503)
    assert answer.json()["error"]["type"] == "server_error"


def test_what_the_server_refuses_is_no_fault_of_the_gateway(client: Any) -> None:
    answer = client.post(GENERATIONS, json={"model": "sketch", "seed": REFUSED})
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "model_failed"


def test_without_a_server_every_request_says_so_and_may_be_sent_again() -> None:
    import httpx

    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"grpc://127.0.0.1:{nobody.getsockname()[1]}"
        with running_gateway(address) as gateway, httpx.Client(base_url=gateway.url, timeout=120) as client:
            asked = [
                client.get("/v1/models"),
                client.get("/v1/models/tiny"),
                client.post(GENERATIONS, json={"model": "tiny", "label": 3}),
                client.get("/readyz"),
            ]
            for answer in asked:
                assert answer.status_code == 503, answer.url
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.json()["error"]["code"]
                assert "127.0.0.1" not in answer.text
            assert client.get("/healthz").status_code == 200
            assert client.get("/metrics").status_code == 200
