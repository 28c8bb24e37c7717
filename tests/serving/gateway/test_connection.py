"""What a request says of itself to the server, and the end of its work when its client leaves."""

import asyncio
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect

from litho.errors import DeadlineExceeded
from litho.serving.gateway.connection import GONE_STATUS, body_of, facts_of, request_options, while_connected
from litho.serving.gateway.errors import ApiError
from litho.serving.gateway.program import Program
from litho.serving.server.embedded import EmbeddedServer
from tests.conftest import running_gateway
from tests.streaming import SILENT, cancelled_requests


def request(state: dict[str, Any], messages: asyncio.Queue[dict[str, Any]] | None = None) -> Request:
    waiting = messages or asyncio.Queue()
    return Request({"type": "http", "headers": [], "state": state}, waiting.get)


def test_options_pass_on_what_the_middlewares_found() -> None:
    traceparent = f"00-{'1' * 32}-{'a' * 16}-01"
    state = {"deadline_seconds": 2.5, "request_id": "mine", "traceparent": traceparent}
    options = request_options(request(state), priority=1)
    assert (options.timeout_seconds, options.request_id, options.priority) == (2.5, "mine", 1)
    assert options.traceparent == traceparent
    bare = request_options(request({}))
    assert (bare.timeout_seconds, bare.request_id, bare.traceparent) == (None, "", None)


def test_facts_are_those_of_the_request() -> None:
    state: dict[str, Any] = {}
    facts_of(request(state))["model"] = "digits"
    assert state == {"facts": {"model": "digits"}}


def test_work_ends_when_the_client_leaves() -> None:
    async def ask() -> None:
        messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        cancelled = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        waiting = asyncio.create_task(while_connected(request({}, messages), work()))
        await messages.put({"type": "http.request"})
        await messages.put({"type": "http.disconnect"})
        with pytest.raises(ApiError) as gone:
            await waiting
        assert gone.value.status == GONE_STATUS
        await cancelled.wait()
        # Whoever cancels the request cancels its work.
        cancelled.clear()
        waiting = asyncio.create_task(while_connected(request({}, messages), work()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        await cancelled.wait()

    asyncio.run(asyncio.wait_for(ask(), 120))


def test_results_and_errors_of_the_work_are_those_of_the_request() -> None:
    async def made() -> int:
        return 3

    async def failed() -> int:
        raise ValueError("no")

    assert asyncio.run(while_connected(request({}), made())) == 3
    with pytest.raises(ValueError, match="no"):
        asyncio.run(while_connected(request({}), failed()))


def wait_until(true: Callable[[], bool]) -> None:
    end = monotonic() + 120
    while not true():
        assert monotonic() < end
        sleep(0.01)


@pytest.mark.parametrize("stream", [False, True])
def test_the_server_is_no_longer_busy_for_a_client_that_vanished(
    streaming_gateway: Program, streaming_folder: Path, stream: bool
) -> None:
    """The request would never be answered."""
    started = streaming_folder / "sketch" / "started"
    before = cancelled_requests(streaming_folder), started.stat().st_size if started.exists() else 0
    body = json.dumps({"model": "sketch", "seed": SILENT, "steps": 1000, "stream": stream}).encode()
    host, _, port = streaming_gateway.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        wait_until(lambda: started.exists() and started.stat().st_size > before[1])
    wait_until(lambda: cancelled_requests(streaming_folder) > before[0])


def test_a_model_that_says_nothing_is_asked_again(
    streaming_server: EmbeddedServer, streaming_folder: Path
) -> None:
    """As one whose process was killed: nobody would ever answer."""
    before = cancelled_requests(streaming_folder)
    body = json.dumps({"model": "sketch", "seed": SILENT, "steps": 1000}).encode()
    with running_gateway(streaming_server.grpc_url, answer_seconds=0.2) as gateway:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{gateway.url}/v1/images/generations", body, headers)

        def asked_again() -> bool:
            with pytest.raises(urllib.error.HTTPError) as failed, urllib.request.urlopen(request):
                pass
            with failed.value:
                assert failed.value.code == 503
            # On a machine that stands still for a moment some of them never reach the model.
            return cancelled_requests(streaming_folder) > before + 1

        wait_until(asked_again)


@pytest.mark.parametrize("passed", [0.0, 0.09, 0.55])
def test_the_time_in_which_a_request_arrived_is_taken_off_in_tenths(passed: float) -> None:
    began = monotonic()
    state = {"deadline_seconds": 200.0, "deadline": began + 200.0 - passed}
    left = request_options(request(state)).timeout_seconds
    most = passed + monotonic() - began
    assert left is not None
    tenths = round(10 * (200 - left))
    assert left == pytest.approx(200 - tenths / 10)
    assert int(10 * passed) <= tenths <= int(10 * most)


def test_a_request_whose_time_was_over_before_it_arrived_is_not_sent_on() -> None:
    with pytest.raises(DeadlineExceeded):
        request_options(request({"deadline_seconds": 2.0, "deadline": monotonic() - 0.05}))


@pytest.mark.parametrize(
    ("messages", "body"),
    [
        ([{"type": "http.request"}], b""),
        (
            [
                {"type": "http.request", "body": b"ab", "more_body": True},
                {"type": "http.request", "body": b"c"},
            ],
            b"abc",
        ),
        ([{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.disconnect"}], None),
    ],
)
def test_a_body_is_read_to_its_end(messages: list[dict[str, Any]], body: bytes | None) -> None:
    async def read() -> bytes:
        waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for message in messages:
            waiting.put_nowait(message)
        return await body_of(request({}, waiting))

    if body is None:
        with pytest.raises(ClientDisconnect):
            asyncio.run(read())
    else:
        assert asyncio.run(read()) == body
