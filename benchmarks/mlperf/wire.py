"""Requests to a Triton model over connections of the load generator, which cost a third of gRPC's own client.

A thread of its own waits for the sockets. LoadGen's thread only hands it messages, which are written beforehand.
"""

from __future__ import annotations

import os
import threading
import time
from array import array
from collections import deque
from select import EPOLLIN
from typing import Any

import numpy as np

from ...errors import EndpointUnavailable
from ...runners import Endpoint
from ...runners.triton import Options, Runner as TritonRunner
from ..load.generator.worker.loop import Waiter
from ..load.generator.worker.plan import Message, Plan
from ..load.generator.worker.transports.grpc import Transport
from .answers import Answers
from .samples import Samples
from .systems import Remote

__all__ = ["Wire"]

CONNECTIONS = 64
_METHOD = "/inference.GRPCInferenceService/ModelInfer"
_LONG = 3600.0


class Wire(Remote):
    """A Triton model that answers whole requests; see `System`.

    Raises:
        EndpointUnavailable: the server cannot be reached.
    """

    def __init__(
        self, runner: TritonRunner, samples: Samples, answers: Answers, window: int | None = None
    ) -> None:
        super().__init__(runner, samples, answers, window)
        self._triton = runner
        self._single = [self._message([number]) for number in range(len(samples))]
        self._asked: deque[tuple[list[int], Message]] = deque()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK)
        self._waiter = Waiter()
        self._book = _Book(self)
        self._transport = Transport(_plan(runner), self._book, self._waiter)
        try:
            self._transport.connect()
        except OSError as error:
            raise EndpointUnavailable(f"cannot reach {runner.url}: {error}") from None
        self._waiter.watch(self._bell, self._woken, EPOLLIN)
        self._thread = threading.Thread(target=self._turn, daemon=True)
        self._thread.start()

    def start(self, ids: list[int], numbers: list[int]) -> None:
        """See `Remote.start`."""
        message = self._single[numbers[0]] if len(numbers) == 1 else self._message(numbers)
        self._asked.append((ids, message))
        if threading.current_thread() is self._thread:
            self._send()
        else:
            os.eventfd_write(self._bell, 1)

    def _message(self, numbers: list[int]) -> Message:
        packed = self._triton.request(self.samples.rows(numbers), Options()).SerializeToString()
        framed = b"\0" + len(packed).to_bytes(4, "big") + packed
        return Message(framed, -1, "", len(numbers), len(numbers) * int(np.prod(self.samples.shape)))

    def _turn(self) -> None:
        try:
            while True:
                self._waiter.turn(time.perf_counter() + _LONG)
        except Exception as error:  # nobody else would notice that the thread has ended
            self.answers.gone(f"the connections failed: {error!r}")

    def _woken(self, events: int) -> None:
        del events
        os.eventfd_read(self._bell)
        self._send()
        self._transport.flush()

    def _send(self) -> None:
        while self._asked:
            self._book.next = self._asked.popleft()
            self._transport.send(0.0)


class _Book:
    """What the transport asks for a request, and tells of its answer.

    Args:
        wire: takes the answers.

    Attributes:
        next: LoadGen's ids and message of the request that leaves next.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.next_number = 0
        self.next: Any = None
        self._sent: dict[int, list[int]] = {}
        self._pictures: bytes | None = None

    def message(self, number: int) -> tuple[Message, bytes, int]:
        """The message of the next request, its bytes, and that its answer is wanted."""
        del number
        message = self.next[1]
        return message, message.content, 0

    def begin(self, scheduled: float) -> int:
        """The next request leaves."""
        del scheduled
        number = self.next_number
        self._sent[number] = self.next[0]
        self.next_number += 1
        return number

    def keep(self, number: int, picked: int, pictures: bytes) -> None:
        """The pictures of an answer; `done` follows."""
        del number, picked
        self._pictures = pictures

    def done(self, number: int, moment: float, error: str | None) -> None:
        """A request has ended."""
        del moment
        ids, pictures = self._sent.pop(number), self._pictures
        self._pictures = None
        if error is not None or pictures is None:
            self._wire.settle(ids, message=error or "the answer has no pictures")
            return
        shape = (len(ids), *self._wire.samples.shape)
        self._wire.settle(ids, np.frombuffer(pictures, np.uint8).reshape(shape))


def _plan(runner: TritonRunner) -> Plan:
    endpoint, access = Endpoint.parse(runner.url), runner.access
    host, _, port = endpoint.address.rpartition(":")
    files = {name: getattr(access, name) for name in ("ca", "certificate", "private_key")}
    return Plan(
        transport="grpc",
        host=host.strip("[]"),
        port=int(port),
        tls={name: file and str(file) for name, file in files.items()} if endpoint.secure else None,
        target=_METHOD,
        headers=list(access.metadata),
        output=runner.signature.output.name,
        messages=[],
        first_seed=0,
        stride=0,
        in_flight=0,
        times=array("d"),
        most=0,
        connections=CONNECTIONS,
        picked=[],
        most_picked_bytes=0,
    )
