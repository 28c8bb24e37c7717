"""Triton's HTTP with the binary tensor extension: each connection has one request at a time."""

from __future__ import annotations

import json
import time
from typing import Any

from ..connection import Connection, Tls, connect
from ..plan import Message
from . import base

__all__ = ["Transport"]

_HEAD_END = b"\r\n\r\n"
now = time.perf_counter


class _Answers(Connection):
    """A connection that waits for at most one answer.

    Args:
        opened: socket.
        transport: that it belongs to.

    Attributes:
        number: of the request that is not answered; -1 for none.
        message: its kind.
        picked: which picked request it is; -1 for none.
    """

    def __init__(self, opened: Any, transport: Transport) -> None:
        super().__init__(opened, transport.waiter)
        self._transport = transport
        self._heads = transport.heads
        self.number, self.picked = -1, -1
        self.message: Message = transport.plan.messages[0]

    def received(self) -> None:
        """Take a whole answer, once it is there."""
        buffer, start = self.buffer, self.start
        stop = buffer.find(_HEAD_END, start, self.end)
        if stop < 0:
            return
        head = bytes(buffer[start:stop])
        status, length, words = self._heads.get(head) or self._transport.learn(head)
        begin = stop + 4
        if self.end - begin < length:
            if len(buffer) - begin < length:
                self.room(length)
            return
        moment = now()
        number, self.number = self.number, -1
        self.start = begin + length
        if status == 200:
            body = bytes(buffer[begin : self.start])
            error = self._transport.judged(self, number, body, words)
        else:
            error = _reason(status, bytes(buffer[begin : begin + length]))
        self._transport.answered(self, number, moment, error)

    def lost(self, reason: str) -> None:
        """Fail the request in flight, if there is one."""
        self.close()
        self._transport.lost(self, reason)


class Transport(base.Transport):
    """Sends each request on a connection that waits for nothing.

    Attributes:
        heads: what the known heads of answers say: status, length of the body, and length of its JSON.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.heads: dict[bytes, tuple[int, int, int]] = {}
        self._tls = None if self.plan.tls is None else Tls(self.plan.host, "http/1.1", **self.plan.tls)
        self._idle: list[_Answers] = []
        self._open = 0
        self._queue: list[float] = []

    def connect(self) -> None:
        """See `base.Transport.connect`."""
        for _ in range(min(self.plan.connections, self.plan.in_flight or 8)):
            self._idle.append(self._opened())

    def send(self, scheduled: float) -> None:
        """See `base.Transport.send`; where all connections are busy, the request waits for one."""
        if self._idle:
            self._send(self._idle.pop(), scheduled)
        elif self._open < self.plan.connections:
            try:
                connection = self._opened()
            except OSError as error:
                self._refused(scheduled, str(error))
            else:
                self._send(connection, scheduled)
        else:
            self._queue.append(scheduled)

    def flush(self) -> None:
        """See `base.Transport.flush`; every request has left already."""

    def learn(self, head: bytes) -> tuple[int, int, int]:
        """Read the head of an answer."""
        lines = head.split(b"\r\n")
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in lines[1:])
        }
        length = int(fields.get(b"content-length", b"0"))
        words = int(fields.get(b"inference-header-content-length", str(length).encode()))
        found = (int(lines[0].split()[1]), length, words)
        if len(self.heads) < 1000:
            self.heads[head] = found
        return found

    def check(self, words: bytes, message: Message, size: int) -> str | None:
        """What is wrong with the JSON of an answer; None if nothing is, and then it is known from now on."""
        try:
            answer = json.loads(words)
            outputs = {one["name"]: one for one in answer["outputs"]}
            output = outputs[self.plan.output]
            shape, dtype = output["shape"], output["datatype"]
        except (ValueError, KeyError, TypeError):
            return f"the answer is not one of the model's: {words[:100].decode(errors='replace')}"
        if dtype != "UINT8" or shape[0] != message.rows or size != message.answer_bytes or len(outputs) != 1:
            return (
                f"the answer has {self.plan.output} of {dtype} {shape} and {size} bytes, not UINT8 of"
                f" {message.rows} pictures and {message.answer_bytes} bytes"
            )
        if len(self.heads) < 1000:
            self.heads[words] = (200, 0, 0)
        return None

    def judged(self, connection: _Answers, number: int, body: bytes, words: int) -> str | None:
        """What is wrong with the body of an answer with status 200; None if nothing is.

        Args:
            connection: that it came on.
            number: of the request.
            body: JSON of `words` bytes, then the pictures.
            words: length of the JSON.
        """
        message, size = connection.message, len(body) - words
        if size != message.answer_bytes or body[:words] not in self.heads:
            error = self.check(body[:words], message, size)
            if error is not None:
                return error
        if connection.picked >= 0:
            self.loop.keep(number, connection.picked, body[words:])
        return None

    def answered(self, connection: _Answers, number: int, moment: float, error: str | None) -> None:
        """A request is over: the connection takes another one."""
        if number < 0:  # nobody asked
            return
        if self._queue:
            self._send(connection, self._queue.pop(0))
        else:
            self._idle.append(connection)
        self.loop.done(number, moment, error)

    def lost(self, connection: _Answers, reason: str) -> None:
        """A connection is gone, and with it the request that it had."""
        self._open -= 1
        if connection.number < 0:
            if connection in self._idle:
                self._idle.remove(connection)
            return
        number, moment = connection.number, now()
        self.waiter.later(moment + base.RETRY_SECONDS, lambda: self.loop.done(number, moment, reason))

    def _opened(self) -> _Answers:
        opened = _Answers(connect(self.plan.host, self.plan.port, self._tls), self)
        self._open += 1
        return opened

    def _refused(self, scheduled: float, reason: str) -> None:
        number, moment = self.loop.begin(scheduled), now()
        self.waiter.later(moment + base.RETRY_SECONDS, lambda: self.loop.done(number, moment, reason))

    def _send(self, connection: _Answers, scheduled: float) -> None:
        loop = self.loop
        connection.message, content, connection.picked = loop.message(loop.next_number)
        connection.number = loop.begin(scheduled)
        connection.write(content)


def _reason(status: int, body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {status}: {body[:100].decode(errors='replace')}"
