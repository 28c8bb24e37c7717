"""Connections that do not behave, against a real uvicorn around a small application."""

import asyncio
import json
import resource
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import uvicorn

from litho.serving.gateway.protection.connections import MOST_HEADER_BYTES, make_protocol, raise_file_limit
from litho.serving.gateway.settings import GatewaySettings

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


async def application(scope: dict, receive: Callable, send: Callable) -> None:
    if scope["path"] == "/echo":
        await echo(scope, receive, send)
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
        scope["path"] = "/"
    size = int(scope["path"].strip("/") or 2)
    if scope["method"] == "POST":
        size = 2  # answered without a look at the body
    headers = [(b"content-length", str(size).encode())]
    match scope["query_string"]:
        case b"chunks":
            headers = []
        case b"two-lines":
            headers.append((b"x-text", b"one\r\nx-two: two"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["query_string"] == b"parts":
        await send({"type": "http.response.body", "body": b"k", "more_body": True})
        size -= 1
    await send({"type": "http.response.body", "body": b"k" * size})


async def echo(scope: dict, receive: Callable, send: Callable) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = [(b"content-length", str(len(body)).encode())]
    headers += [(b"x-heard", value) for name, value in scope["headers"] if name == b"x-said"]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def use(work: Callable[[Connect, uvicorn.Server], Awaitable[None]], **settings: float) -> None:
    """Run some work beside a server with these settings."""

    async def both() -> None:
        limits = GatewaySettings.model_validate({"server": "grpc://127.0.0.1:1", **settings})
        config = uvicorn.Config(
            application,
            port=0,
            http=make_protocol(limits),
            lifespan="off",
            log_config=None,
            timeout_keep_alive=limits.idle_seconds,  # type: ignore[arg-type]
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            await work(lambda: asyncio.open_connection("127.0.0.1", port), server)
        finally:
            server.should_exit = True
            await serving

    asyncio.run(asyncio.wait_for(both(), 300))


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


async def refusal(reader: asyncio.StreamReader) -> tuple[int, str]:
    status, headers, body = await read_answer(reader)
    error = json.loads(body)["error"]
    assert error["request_id"] == headers["x-request-id"]
    assert headers["connection"] == "close"
    assert await reader.read() == b""
    return status, error["code"]


def test_answers_of_every_kind_follow_each_other_on_a_connection() -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await connect()
        for path, method in (
            ("/5", "GET"),
            ("/5?parts", "GET"),
            ("/0", "GET"),
            ("/5", "HEAD"),
            ("/100000", "GET"),
        ):
            writer.write(f"{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(path.split("?")[0][1:])
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"content-length: %d\r\n" % size in head
            assert b"\r\ndate: " in head
            assert await reader.readexactly(size if method == "GET" else 0) == b"k" * (
                size if method == "GET" else 0
            )
        writer.write(b"GET /3?chunks HTTP/1.1\r\nhost: a\r\n\r\n")
        assert b"transfer-encoding: chunked" in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readuntil(b"0\r\n\r\n") == b"3\r\nkkk\r\n0\r\n\r\n"
        writer.write(b"GET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        status, headers, _ = await read_answer(reader)
        assert (status, headers["connection"]) == (200, "close")
        assert await reader.read() == b""
        writer.close()

    use(work)


@pytest.mark.parametrize("more", ["", "connection: keep-alive\r\n"])
def test_a_client_of_http_1_0_gets_no_chunks(more: str) -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        for path, said in (("/3?chunks", b"kkk"), ("/3", b"kkk"), ("/0?chunks", b"")):
            reader, writer = await connect()
            writer.write(f"GET {path} HTTP/1.0\r\n{more}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"transfer-encoding" not in head
            if b"content-length" in head:
                assert await reader.readexactly(len(said)) == said
            else:
                assert b"connection: close" in head
                assert await reader.read() == said
            writer.close()

    use(work)


def test_a_header_of_two_lines_is_never_sent() -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await connect()
        writer.write(b"GET /?two-lines HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await read_answer(reader))[0] == 500
        writer.close()

    use(work)


async def answered(connect: Connect) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose first request came in time, which not every one does where the machine stands still."""
    while True:
        reader, writer = await connect()
        writer.write(GET)
        if (await read_answer(reader))[0] == 200:
            return reader, writer
        writer.close()


def test_a_request_that_does_not_come_is_not_waited_for_and_others_are_answered() -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        silent, half = await connect(), await connect()
        half[1].write(GET[:-3])
        third = await answered(connect)
        assert await refusal(silent[0]) == (408, "request_too_slow")
        assert await refusal(half[0]) == (408, "request_too_slow")
        third[1].write(GET[:5])  # a later request on a connection has the same limit
        assert await refusal(third[0]) == (408, "request_too_slow")
        for _, writer in (silent, half, third):
            writer.close()

    use(work, header_seconds=0.3)


def test_headers_without_end_are_refused() -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        for start in (b"GET / HTTP/1.1\r\nhost: a\r\nx: ", b"GET /", b"GET / HTTP/1.1\r\nx: y\r\n"):
            reader, writer = await connect()
            writer.write(start)
            part = b"a" * 1020 + (b":b\r\n" if start.endswith(b"y\r\n") else b"aaaa")
            writer.write(part * (MOST_HEADER_BYTES // 1024))
            assert await refusal(reader) == (431, "headers_too_large")
            writer.close()
        reader, writer = await connect()
        writer.write(GET)
        assert (await read_answer(reader))[0] == 200
        writer.close()

    use(work)


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_limit_of_headers_is_exact(over: int) -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await connect()
        head = b"GET / HTTP/1.1\r\nhost: a\r\nx: %b\r\n\r\n"
        writer.write(head % (b"a" * (MOST_HEADER_BYTES - len(head) + 2 + over)))
        if over > 0:
            assert await refusal(reader) == (431, "headers_too_large")
        else:
            assert (await read_answer(reader))[0] == 200
        writer.close()

    use(work)


@pytest.mark.parametrize(("start", "part"), [(b"", b"x: y\r\n"), (b"", b"name"), (b"x: ", b"value")])
def test_trailers_without_end_are_refused(start: bytes, part: bytes) -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await connect()
        head = b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n"
        writer.write(head + b"1\r\na\r\n0\r\n")
        assert b"100" in await reader.readuntil(b"\r\n\r\n")
        writer.write((start + part * MOST_HEADER_BYTES)[:MOST_HEADER_BYTES])
        assert await refusal(reader) == (431, "headers_too_large")
        writer.close()

    use(work)


def test_a_trailer_is_no_header() -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await connect()
        for where in (b"x-said: yes\r\n%b0\r\n\r\n", b"%b0\r\nx-said: yes\r\n\r\n"):
            body = b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n"
            writer.write(b"POST /echo HTTP/1.1\r\nhost: a\r\n" + where % body)
            _, headers, _ = await read_answer(reader)
            assert headers.get("x-heard") == ("yes" if where.startswith(b"x") else None)
        writer.close()

    use(work)


def test_a_body_in_many_small_parts_has_no_such_limit() -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await connect()
        writer.write(b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"1;note=x\r\na\r\n" * MOST_HEADER_BYTES + b"0\r\n\r\n")
        assert (await read_answer(reader))[2] == b"a" * MOST_HEADER_BYTES
        writer.close()

    use(work)


@pytest.mark.parametrize("rest", [b"hello\r\n\r\n", GET[:-3]])
def test_a_request_is_answered_before_what_is_wrong_behind_it(rest: bytes) -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await answered(connect)
        writer.write(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n" + GET + rest)
        assert [(await read_answer(reader))[0] for _ in range(2)] == [200, 200]
        assert await reader.read() == b""
        writer.close()

    use(work, header_seconds=0.2)


def test_many_requests_behind_each_other_wait_outside() -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await connect()
        writer.write(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n" + GET * 5_000)
        await asyncio.sleep(0.2)  # the first one takes longer
        (held,) = server.server_state.connections
        assert len(held.pipeline) < 1000  # type: ignore[union-attr]
        for _ in range(5_001):
            assert (await read_answer(reader))[0] == 200
        writer.write(
            b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 300000\r\n\r\n" + b"b" * 300_000 + GET
        )
        assert (await read_answer(reader))[2] == b"b" * 300_000
        assert (await read_answer(reader))[0] == 200
        writer.close()

    use(work)


def test_an_empty_line_does_not_keep_a_connection() -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await answered(connect)
        writer.write(b"\r\n")
        assert await refusal(reader) == (408, "request_too_slow")
        writer.close()

    use(work, header_seconds=0.3)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"HTTP/1.1\r\n", 400),
        (b"HTTP/1.1\r\nhost: a\r\nHost: b\r\n", 400),
        (b"HTTP/1.0\r\nhost: a\r\nHost: a\r\n", 400),
        (b"HTTP/1.0\r\n", 200),
        (b"HTTP/1.1\r\nHost:\r\n", 200),
    ],
)
def test_a_request_names_one_host(head: bytes, status: int) -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await connect()
        writer.write(b"POST /echo " + head + b"content-length: 2\r\n\r\nok")
        found, _, body = await read_answer(reader)
        assert found == status
        if status == 400:
            error = json.loads(body)["error"]
            assert (error["code"], error["message"]) == (
                "invalid_http",
                "the request must have one header Host",
            )
            assert await reader.read() == b""
            assert not server.server_state.connections
        writer.close()

    use(work)


@pytest.mark.parametrize(
    "given", [b"\x16\x03\x01\x02\x00\x01", b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 50]
)
def test_what_is_not_http_gets_an_error_in_the_usual_form(given: bytes) -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await connect()
        writer.write(given)
        assert await refusal(reader) == (400, "invalid_http")
        writer.close()

    use(work)


def test_more_connections_than_allowed_are_refused_and_those_before_stay() -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        held = [await connect() for _ in range(3)]
        for _, writer in held:
            writer.write(GET)
        for reader, _ in held:
            assert (await read_answer(reader))[0] == 200
        reader, writer = await connect()
        status, headers, _ = await read_answer(reader)
        assert (status, headers["retry-after"]) == (503, "1")
        writer.close()
        held[0][1].write(GET)
        assert (await read_answer(held[0][0]))[0] == 200
        held[1][1].close()
        while len(server.server_state.connections) > 2:
            await asyncio.sleep(0.01)
        reader, writer = await connect()
        writer.write(GET)
        assert (await read_answer(reader))[0] == 200
        for _, one in (*held, (reader, writer)):
            one.close()

    use(work, most_connections=3)


def test_a_client_that_does_not_take_its_answer_is_cut_off() -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        _, writer = await connect()
        writer.write(b"GET /100000000 HTTP/1.1\r\nhost: a\r\n\r\n")
        while not server.server_state.total_requests:
            await asyncio.sleep(0.01)
        while server.server_state.connections:
            await asyncio.sleep(0.01)
        writer.close()

    use(work, body_seconds=0.3)


def test_an_idle_connection_ends_also_when_its_body_came_after_the_answer() -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n")
        assert (await read_answer(reader))[0] == 200
        writer.write(b"x" * 1000)
        with suppress(ConnectionResetError):  # its time may be over before the body comes
            assert await reader.read() == b""
        writer.close()

    use(work, idle_seconds=0.3)


def test_there_are_files_for_connections() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, before[1]))
        assert raise_file_limit(100) == 100
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 400
        assert raise_file_limit(600) == 600
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 856
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


UPGRADE = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_who_also_offers_another_protocol_is_answered_in_this_one(piece: int) -> None:
    """As Java's client and `curl --http2` do."""
    sized = b"POST /echo HTTP/1.1\r\nhost: a\r\n" + UPGRADE + b"content-length: 5\r\n\r\nhello"
    chunked = b"POST /echo HTTP/1.1\r\nhost: a\r\n" + UPGRADE + b"transfer-encoding: chunked\r\n\r\n"
    sent = sized + chunked + b"3\r\nbye\r\n0\r\n\r\n" + GET[:-2] + UPGRADE + b"\r\n" + sized + GET

    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await connect()
        for start in range(0, len(sent), piece):
            writer.write(sent[start : start + piece])
            await asyncio.sleep(0)
        bodies = [(await read_answer(reader))[2] for _ in range(5)]
        assert bodies == [b"hello", b"bye", b"kk", b"hello", b"kk"]
        writer.close()

    use(work)


@pytest.mark.parametrize(
    "body", [b"transfer-encoding: chunked\r\n\r\nzz\r\n", b"transfer-encoding: gzip\r\n\r\nabc"]
)
def test_a_body_that_cannot_be_read_is_answered(body: bytes) -> None:
    async def work(connect: Connect, server: uvicorn.Server) -> None:
        reader, writer = await connect()
        writer.write(b"POST /echo HTTP/1.1\r\nhost: a\r\n" + body)
        assert await refusal(reader) == (400, "invalid_http")
        writer.close()

    use(work)
