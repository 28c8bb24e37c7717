"""Connections that carry many calls of gRPC at once."""

from __future__ import annotations

import time
from collections import deque
from struct import Struct
from typing import Any
from urllib.parse import unquote

from . import http2
from .connection import Connection

__all__ = ["Call", "Calls"]

_HEAD = Struct(">HBBBI")
_UNSIGNED = Struct(">I")
_MOST_FRAME = 1 << 20
_REPLENISH = 1 << 30
_FIRST_WINDOW = 65_535
_LARGEST_STREAM = 2**31 - 1
now = time.perf_counter

_HEADER_TABLE_SIZE, _INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE = 1, 4, 5


class Call:
    """A call that is not answered yet.

    Args:
        number: of the request.
        message: its kind.
        picked: which picked request it is; -1 for none.

    Attributes:
        content: what has come of the answer.
        status: of the call; empty until it is known.
    """

    __slots__ = ("content", "message", "number", "picked", "progress", "status")

    def __init__(self, number: int, message: Any, picked: int) -> None:
        self.number, self.message, self.picked = number, message, picked
        self.content: bytes | bytearray = b""
        self.status = ""
        self.progress: Any = None


class Calls(Connection):
    """One connection of HTTP/2.

    Args:
        opened: socket.
        transport: takes what comes: `data(call, moment)`, `ended(connection, call, moment, status)`, `gone(connection,
            calls, reason)`.
        headers: of each call.

    Attributes:
        calls: stream -> call that is not answered.
        usable: whether the connection takes further calls.
    """

    def __init__(self, opened: Any, transport: Any, headers: http2.Headers) -> None:
        super().__init__(opened, transport.waiter)
        self._transport, self._headers = transport, headers
        self.calls: dict[int, Call] = {}
        self.ready, self.usable = False, True
        self._stream, self._window, self._stream_window = 1, _FIRST_WINDOW, _FIRST_WINDOW
        self._frame, self._table = 16_384, True
        self._taken = 0
        self._out: list[bytes] = []
        self._waiting: deque[tuple[int, memoryview, list[int]]] = deque()
        self._credits: dict[int, list[int]] = {}
        self._block: list[bytes] = []
        self._set_headers(headers.first)
        values = {1: 0, 2: 0, _INITIAL_WINDOW_SIZE: http2.LARGEST_WINDOW, _MAX_FRAME_SIZE: _MOST_FRAME}
        window = _UNSIGNED.pack(http2.LARGEST_WINDOW - _FIRST_WINDOW)
        start = (http2.PREFACE, http2.settings(values), http2.frame(http2.WINDOW_UPDATE, 0, 0, window))
        self.write(b"".join(start))

    def call(self, call: Call, content: bytes) -> None:
        """Make a call; `flush` sends it."""
        stream = self._stream
        self._stream += 2
        self.usable = self._stream < _LARGEST_STREAM
        self.calls[stream] = call
        number, size = _UNSIGNED.pack(stream), len(content)
        self._out += (self._start, number, self._again)
        if stream == 1:
            self._set_headers(self._headers.again if self._table else self._headers.plain)
        if size <= self._window and size <= self._stream_window and size <= self._frame and not self._waiting:
            self._window -= size
            self._out += (size.to_bytes(3, "big"), b"\0\1", number, content)
        else:
            credit = self._credits[stream] = [self._stream_window]
            self._waiting.append((stream, memoryview(content), credit))
            self._send_waiting()

    def flush(self) -> None:
        """Send the calls that were made."""
        if self._out:
            out, self._out = b"".join(self._out), []
            self.write(out)

    def received(self) -> None:
        """Take all whole frames."""
        buffer, position, end = self.buffer, self.start, self.end
        while end - position >= 9:
            high, low, kind, flags, stream = _HEAD.unpack_from(buffer, position)
            length = high << 8 | low
            content = position + 9
            after = content + length
            if after > end:
                if len(buffer) - position < length + 9:
                    self.start = position
                    self.room(length + 9)
                    return
                break
            position = after
            if kind == http2.DATA:
                self._data(flags, stream, bytes(self.view[content:after]))
            elif kind in (http2.HEADERS, http2.CONTINUATION):
                self._headers_came(flags, stream, bytes(self.view[content:after]))
            else:
                self._control(kind, flags, stream, bytes(self.view[content:after]))
        self.start = position
        self.flush()
        self._transport.flush()

    def lost(self, reason: str) -> None:
        """Fail the calls that are not answered."""
        self.usable = False
        self.close()
        calls, self.calls = list(self.calls.values()), {}
        self._transport.gone(self, calls, reason)

    def _set_headers(self, block: bytes) -> None:
        self._again = block
        self._start = len(block).to_bytes(3, "big") + bytes((http2.HEADERS, http2.END_HEADERS))

    def _data(self, flags: int, stream: int, content: bytes) -> None:
        self._taken += len(content)
        if self._taken >= _REPLENISH:
            self._out.append(http2.frame(http2.WINDOW_UPDATE, 0, 0, _UNSIGNED.pack(self._taken)))
            self._taken = 0
        call = self.calls.get(stream)
        if call is None:
            return
        if flags & 8:  # padded
            content = content[1 : len(content) - content[0]]
        call.content = content if not call.content else call.content + content
        self._transport.data(call, now())
        if flags & http2.END_STREAM:
            self._end(stream, "13 the server ended the call without a status")

    def _headers_came(self, flags: int, stream: int, block: bytes) -> None:
        if flags & 0x28:  # padded, or with a priority
            padding = block[0] if flags & 8 else 0
            skipped = (1 if flags & 8 else 0) + (5 if flags & 0x20 else 0)
            block = block[skipped : len(block) - padding]
        self._block.append(block)
        call = self.calls.get(stream)
        if call is not None and flags & http2.END_STREAM:
            call.status = "ending"
        if not flags & http2.END_HEADERS:
            return
        block, self._block = b"".join(self._block), []
        if call is None:
            return
        status = self._transport.statuses.get(block)
        if status is None:
            status = self._transport.learn(block)
        if call.status == "ending":
            self._end(stream, status or "13 the server ended the call without a status")

    def _end(self, stream: int, status: str) -> None:
        call = self.calls.pop(stream)
        self._credits.pop(stream, None)
        self._transport.ended(self, call, now(), status)

    def _control(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        if kind == http2.SETTINGS and not flags & http2.ACK:
            self._settings(content)
            self._out.append(http2.frame(http2.SETTINGS, http2.ACK, 0, b""))
        elif kind == http2.PING and not flags & http2.ACK:
            self._out.append(http2.frame(http2.PING, http2.ACK, 0, content))
        elif kind == http2.WINDOW_UPDATE:
            more = _UNSIGNED.unpack(content)[0]
            if stream == 0:
                self._window += more
            elif stream in self._credits:
                self._credits[stream][0] += more
            self._send_waiting()
        elif kind == http2.RST_STREAM and stream in self.calls:
            self._end(stream, f"14 the server reset the call with error {_UNSIGNED.unpack(content)[0]}")
        elif kind == http2.GOAWAY:
            self.usable = False
            last = _UNSIGNED.unpack(content[:4])[0]
            for number in [one for one in self.calls if one > last]:
                self._end(number, "14 the server takes no more calls on this connection")

    def _settings(self, content: bytes) -> None:
        for position in range(0, len(content), 6):
            name = int.from_bytes(content[position : position + 2], "big")
            value = _UNSIGNED.unpack_from(content, position + 2)[0]
            if name == _INITIAL_WINDOW_SIZE:
                for credit in self._credits.values():
                    credit[0] += value - self._stream_window
                self._stream_window = value
            elif name == _MAX_FRAME_SIZE:
                self._frame = value
            elif name == _HEADER_TABLE_SIZE and value < 4096:
                self._table = False
                self._set_headers(self._headers.plain)
        self.ready = True

    def _send_waiting(self) -> None:
        # In order: the window of the connection is shared, and the first call has waited longest.
        while self._waiting and self._window > 0:
            stream, content, credit = self._waiting[0]
            size = min(len(content), self._window, credit[0], self._frame)
            if size <= 0 and len(content):
                return
            self._window -= size
            credit[0] -= size
            ended = size == len(content)
            self._out.append(http2.frame(http2.DATA, int(ended), stream, bytes(content[:size])))
            if ended:
                self._waiting.popleft()
                self._credits.pop(stream, None)
            else:
                self._waiting[0] = (stream, content[size:], credit)


def status_words(found: dict[str, str]) -> str:
    """Code and message of a status, in one line; empty for headers that have none; "0" for success."""
    code = found.get("grpc-status", "")
    if not code:
        other = found.get(":status", "200")
        return "" if other == "200" else f"14 HTTP status {other}"
    return code if code == "0" else f"{code} {unquote(found.get('grpc-message', ''))}"
