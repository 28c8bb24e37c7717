"""Connections of the gateway: what uvicorn leaves open, such as a header without end, has a limit here."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from ..errors import ApiError
from ..settings import GatewaySettings
from .answers import WHOLE

__all__ = ["MOST_HEADER_BYTES", "make_protocol", "raise_file_limit"]

MOST_HEADER_BYTES = 64 << 10
"""Request line and headers together; browsers send less than 16 KiB. As much of what surrounds a body, in a row."""

_PIECE_BYTES = 16 << 10
"""Read at once: while a request behind another waits for its turn, what follows this piece is not looked at."""

_OF_BODY = (b"content-length", b"transfer-encoding")

_MOST_IGNORED_BYTES = 256 << 20
"""Of a body that was refused, so much is read and thrown away: most clients read the answer only after that."""

_END_SECONDS = 1.0
"""At the end of the gateway, for a connection without a request to be closed by its client too."""

_PHRASES = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


def make_protocol(settings: GatewaySettings) -> type[HttpToolsProtocol]:
    """The protocol of one gateway's connections, for `uvicorn.Config(http=...)`."""
    return type(
        "GatewayProtocol",
        (_Protocol,),
        {
            "header_seconds": settings.header_seconds,
            "write_seconds": settings.body_seconds,
            "most_connections": raise_file_limit(settings.most_connections),
        },
    )


def raise_file_limit(connections: int) -> int:
    """Let this process open as many files as it may, so that connections do not run out of them.

    Args:
        connections: that are wanted.

    Returns:
        Connections that there are files for, at most `connections`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - _OTHER_FILES))


_OTHER_FILES = 256
"""Files of this process that are no connections of clients: libraries, log, connections to Triton."""


class _Wrong(Exception):
    """Ends the parser's work on a request that is wrong in another way than the parser looks for."""


class _Cycle(RequestResponseCycle):
    """A request and its answer; the answer travels in one piece where all of it is there at once.

    uvicorn writes the head by itself, for which the client wakes up twice, and looks for forbidden letters in each
    name and value: together that takes longer than all stages of the gateway.
    """

    _head: bytes | None = None
    """Of the answer, until its first part comes."""

    _until_close = False
    """Whether the end of the connection is the end of the answer."""

    async def send(self, message: Any) -> None:
        """Send a message of the answer."""
        if self.scope["http_version"] == "1.0":
            self._leave_chunks(message)
        if not self.response_started and (head := self._quick_head(message)) is not None:
            self._head, self.response_started, self.waiting_for_100_continue = head, True, False
            return
        head, self._head = self._head, None
        if head is None or self.disconnected:
            await super().send(message)
            return
        body = message.get("body", b"")
        whole = not message.get("more_body", False) and len(body) == self.expected_content_length
        if not whole or self.flow.write_paused or self.scope["method"] == "HEAD":
            self.transport.write(head)
            await super().send(message)
            return
        self.transport.writelines((head, body))
        self.expected_content_length, self.response_complete = 0, True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _leave_chunks(self, message: Any) -> None:
        """HTTP/1.0 knows no chunks (RFC 9112, 6.1): an answer of unknown length ends with its connection."""
        if message["type"] == "http.response.start":
            self._until_close = b"content-length" not in dict(message.get("headers", ()))
            if self._until_close:
                self.chunked_encoding = self.keep_alive = False
        elif self._until_close:
            more = message.get("more_body", False)
            self.expected_content_length = len(message.get("body", b"")) + more

    def _quick_head(self, message: Any) -> bytes | None:
        """The head of an answer of known length on a connection that stays open; None leaves it to uvicorn."""
        if message["type"] != "http.response.start" or not self.keep_alive:
            return None
        headers = [*self.default_headers, *message.get("headers", ())]
        known = dict(headers)
        length = known.get(b"content-length")
        if length is None or b"connection" in known or b"transfer-encoding" in known:
            return None
        head = b"".join([b"%b: %b\r\n" % header for header in headers])
        if head.count(b"\n") != len(headers) or head.count(b"\r") != len(headers) or b"\0" in head:
            raise RuntimeError("a header of the answer has a line break")
        self.expected_content_length, self.chunked_encoding = int(length), False
        return b"%b%b\r\n" % (STATUS_LINE[message["status"]], head)


class _Protocol(HttpToolsProtocol):
    """Ends connections whose request does not come, is too long before its body, or is not HTTP.

    Attributes:
        header_seconds: from the connection, or the first byte of a later request, to the end of the headers.
        write_seconds: within which a client must take some of an answer.
        most_connections: further ones are answered 503.
    """

    header_seconds: float
    write_seconds: float
    most_connections: int

    _timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _in_headers = True
    _arrived = False
    """Whether a part of a body, or the end of the headers, was in what was read last."""
    _waiting_bytes = 0
    """Since such a part: of headers, of the lines between the parts of a body, and of trailers behind it."""
    _ended = False
    """Whether nothing more is read, and the answer that is on its way is the last one."""
    _later = b""
    """What came behind requests that wait for their turn."""
    _ignored_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._refuse(
                503, "the gateway has as many connections as it takes; try again later", "server_busy"
            )
        else:
            self._timer = self.loop.call_later(self.header_seconds, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_headers and self._timer is None:
            # An empty line begins no request, but it ends uvicorn's time for a connection that is idle.
            self._timer = self.loop.call_later(self.header_seconds, self._too_late)
        while data and not self._ended and not self.transport.is_closing():
            if self.pipeline:
                self._later += data
                self._stop_timer()
                self.flow.pause_reading()
                return
            room = min(_PIECE_BYTES, MOST_HEADER_BYTES - self._waiting_bytes)
            piece, data = (data, b"") if len(data) <= room else (data[:room], data[room:])
            self._arrived = False
            self._read(piece)
            self._waiting_bytes = 0 if self._arrived else self._waiting_bytes + len(piece)
            if self._waiting_bytes >= MOST_HEADER_BYTES and not self.transport.is_closing():
                what = "request line and headers have" if self._in_headers else "the body is surrounded by"
                self._refuse(431, f"{what} more than {MOST_HEADER_BYTES} bytes", "headers_too_large")

    def _read(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            wrong = error.__context__
            self.send_400_response(str(wrong) if isinstance(wrong, _Wrong) else "this is not an HTTP request")

    def _read_without_upgrade(self, rest: bytes) -> None:
        """Go on with a request that also asks for another protocol, such as Java's client does for HTTP/2.

        The parser expects the other protocol after the headers, which would lose the body: another one reads on.

        Args:
            rest: what came after the headers.
        """
        lines = [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name in _OF_BODY]
        self.parser = httptools.HttpRequestParser(_AfterHeaders(self))
        self._read(b"POST / HTTP/1.1\r\n%b\r\n%b" % (b"".join(lines), rest))

    def on_message_begin(self) -> None:
        self._in_headers, self._ignored_bytes = True, 0
        if self._timer is None:
            self._timer = self.loop.call_later(self.header_seconds, self._too_late)
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # A trailer, behind the body, must not count as one (RFC 9110, 6.5.1): it could hold a key.
        if self._in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._names_one_host():
            raise _Wrong("the request must have one header Host")
        self._in_headers, self._arrived = False, True
        self._stop_timer()
        super().on_headers_complete()

    def _names_one_host(self) -> bool:
        """RFC 9112, 3.2: none in HTTP/1.1 and several in any version are answered 400."""
        count = [name for name, _ in self.headers].count(b"host")
        return count == 1 or (count == 0 and self.parser.get_http_version() == "1.0")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.__class__ = _Cycle  # the protocol makes it without asking of which class
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        self._arrived = True
        if self.cycle.response_complete:
            self._ignored_bytes += len(body)
            if self._ignored_bytes > _MOST_IGNORED_BYTES:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # its body is still to come
        self._in_headers = True  # of the next one
        self.scope.setdefault("state", {})[WHOLE] = True
        super().on_message_complete()
        if self.cycle.response_complete and self.timeout_keep_alive_task is None:
            # The answer came before the end of the body, whose bytes stopped uvicorn's timer.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()  # thousands could wait in memory: each is larger there than on its way
        elif self._later:
            data, self._later = self._later, b""
            self.data_received(data)

    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_closing():
            # In TLS an end has two sides, and a client that says nothing would hold up the end of the gateway.
            self.loop.call_later(_END_SECONDS, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            # A client that does not read would keep pictures in memory, and its request running, for ever.
            self._write_timer = self.loop.call_later(self.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_write_timer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg, "invalid_http")

    def _too_late(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._refuse(408, f"no request came within {self.header_seconds:g} s", "request_too_slow")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _refuse(self, status: int, message: str, code: str) -> None:
        self._stop_timer()
        asked = self.cycle is not None and not self.cycle.response_complete
        if asked and not self.cycle.more_body:
            # The request before is whole: it gets its answer, and there is no room for another behind it.
            self.cycle.keep_alive, self._ended = False, True
            return
        if not asked or self._in_body():
            self.transport.write(_written(status, message, code))
        if self.cycle is not None:
            self.cycle.disconnected = True  # what its route may still say would come behind this
            self.cycle.message_event.set()
        self.transport.close()

    def _in_body(self) -> bool:
        """Whether the request whose body comes is the one to be answered next, and nothing of its answer was sent."""
        return self.cycle.more_body and not self.cycle.response_started and not self.pipeline


class _AfterHeaders:
    """What a parser calls for a connection that knows the first headers already, and hears of all that follows.

    Args:
        protocol: of the connection.
    """

    def __init__(self, protocol: _Protocol) -> None:
        self._protocol = protocol
        self._known = True
        for name in ("on_body", "on_message_complete"):
            setattr(self, name, getattr(protocol, name))

    def on_message_begin(self) -> None:
        if not self._known:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._known:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._known:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._known:
            self._protocol.on_headers_complete()
        self._known = False


def _written(status: int, message: str, code: str) -> bytes:
    """An answer as it travels, for what never became a request."""
    kind = "server_error" if status == 503 else "invalid_request_error"
    id = f"req_{os.urandom(12).hex()}"
    document: dict[str, Any] = ApiError(status, message, kind=kind, code=code).document(id)
    body = json.dumps(document).encode()
    head = [
        b"HTTP/1.1 %d %s" % (status, _PHRASES[status]),
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        b"x-request-id: " + id.encode(),
        b"x-content-type-options: nosniff",
        *([b"retry-after: 1"] if status == 503 else []),
        b"connection: close",
    ]
    return b"\r\n".join([*head, b"", body])
