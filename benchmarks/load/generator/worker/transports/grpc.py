"""gRPC, one call for each request. A few calls share a connection, as in NVIDIA's clients."""

from __future__ import annotations

import time
from typing import Any

from .. import http2
from ..calls import Call, Calls, status_words
from ..connection import Tls, connect
from ..protobuf import read_answer
from . import base

__all__ = ["Transport"]

SHARE = 6
"""Calls that share a connection."""

_STATUSES = {
    1: "CANCELLED",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    8: "RESOURCE_EXHAUSTED",
}
_STATUSES |= {12: "UNIMPLEMENTED", 13: "INTERNAL", 14: "UNAVAILABLE", 16: "UNAUTHENTICATED"}
_SETTINGS_SECONDS = 10.0
now = time.perf_counter


class Transport(base.Transport):
    """Calls `ModelInfer`.

    Attributes:
        statuses: what the known blocks of headers say; empty for one without a status.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        plan = self.plan
        self.statuses: dict[bytes, str] = {}
        self._known: set[bytes] = set()
        self._tls = None if plan.tls is None else Tls(plan.host, "h2", **plan.tls)
        host = f"[{plan.host}]" if ":" in plan.host else plan.host
        pairs = [(":path", plan.target), (":authority", f"{host}:{plan.port}"), ("te", "trailers")]
        pairs += [("content-type", "application/grpc"), ("user-agent", "litho-load"), *plan.headers]
        self._headers = http2.Headers("http" if plan.tls is None else "https", pairs)
        self._connections: list[Calls] = []
        self._last: Calls | None = None
        self._unsent: list[Calls] = []

    def connect(self) -> None:
        """See `base.Transport.connect`."""
        wanted = -(-(self.plan.in_flight or 4 * SHARE) // SHARE)
        for _ in range(min(wanted, self.plan.connections)):
            self._connections.append(self._opened())
        until, opened = now() + _SETTINGS_SECONDS, list(self._connections)
        while not all(one.ready for one in opened):
            if not all(one.usable for one in opened):
                raise ConnectionError("the server closed the connection; it does not speak gRPC there")
            if now() > until:
                raise TimeoutError(f"the server did not greet for {_SETTINGS_SECONDS:g} s")
            self.waiter.turn(until)

    def send(self, scheduled: float) -> None:
        """See `base.Transport.send`."""
        loop = self.loop
        message, content, picked = loop.message(loop.next_number)
        connection = self._last
        if connection is None or len(connection.calls) >= SHARE or not connection.usable:
            connection = min(self._connections, key=_load, default=None)
        number = loop.begin(scheduled)
        if connection is None or not connection.usable:
            try:
                connection = self._opened()
            except OSError as error:
                reason, moment = str(error), now()
                self.waiter.later(moment + base.RETRY_SECONDS, lambda: self.loop.done(number, moment, reason))
                return
            self._connections = [one for one in self._connections if one.usable]
            self._connections.append(connection)
        connection.call(Call(number, message, picked), content)
        self._unsent.append(connection)

    def flush(self) -> None:
        """See `base.Transport.flush`."""
        if self._unsent:
            unsent, self._unsent = self._unsent, []
            for connection in unsent:
                connection.flush()

    def learn(self, block: bytes) -> str:
        """Read a block of headers."""
        status = status_words(http2.read_headers(block))
        if len(self.statuses) < 1000:
            self.statuses[block] = status
        return status

    def data(self, call: Call, moment: float) -> None:
        """Some of the answer has come."""

    def ended(self, connection: Calls, call: Call, moment: float, status: str) -> None:
        """A call is over."""
        self._last = connection
        error = _words(status) if status != "0" else self._judged(call)
        self.loop.done(call.number, moment, error)

    def gone(self, connection: Calls, calls: list[Call], reason: str) -> None:
        """A connection is gone, and its calls with it."""
        if connection in self._connections:
            self._connections.remove(connection)
        moment = now()
        for call in calls:
            self.waiter.later(
                moment + base.RETRY_SECONDS, lambda call=call: self.loop.done(call.number, moment, reason)
            )
        self.waiter.later(moment + base.RETRY_SECONDS, self.flush)

    def _judged(self, call: Call) -> str | None:
        content, size = call.content, call.message.answer_bytes
        begin = len(content) - size
        if begin < 0 or bytes(content[:begin]) not in self._known:
            error = self._check(bytes(content[5:]), call)
            if error is not None:
                return error
            self._known.add(bytes(content[:begin]))
        if call.picked >= 0:
            self.loop.keep(call.number, call.picked, bytes(content[begin:]))
        return None

    def _check(self, content: bytes, call: Call) -> str | None:
        try:
            outputs = read_answer(content).outputs
            dtype, shape, values = outputs[self.plan.output]
        except (ValueError, KeyError):
            return "the answer is not one of the model's"
        expected = call.message
        right = dtype == "UINT8" and shape[:1] == (expected.rows,) and len(values) == expected.answer_bytes
        if right and len(outputs) == 1:
            return None
        return (
            f"the answer has {self.plan.output} of {dtype} {list(shape)} and {len(values)} bytes, not UINT8 of"
            f" {expected.rows} pictures and {expected.answer_bytes} bytes"
        )

    def _opened(self) -> Calls:
        return Calls(connect(self.plan.host, self.plan.port, self._tls), self, self._headers)


def _load(connection: Calls) -> int:
    return len(connection.calls) if connection.usable else 1 << 30


def _words(status: str) -> str:
    code, _, text = status.partition(" ")
    number = int(code) if code.isdigit() else -1
    return text or f"the call ended with status {_STATUSES.get(number, code)}"
