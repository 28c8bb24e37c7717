"""Requests in flight: start them on a runner and take their outcomes in the order in which they end.

One thread starts requests and reads outcomes. The runner's transport notes the time and queues the outcome. A scenario
decides when a request starts.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import EndpointError
from ....runners import Runner
from .requests import Requests

__all__ = ["Clock", "Outcome", "RequestsInFlight", "overlaps"]

STALL_SECONDS = 120.0

_OFTEN, _SELDOM = 8, 50
"""One of so many requests has given inputs: until enough pictures came back, and afterwards."""
_WANTED_PICTURES = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended.

    Args:
        began, ended: readings of the clock, in seconds.
        error: why it failed; None when the runner returned checked images.
    """

    began: float
    ended: float
    error: BaseException | None

    @property
    def latency_ms(self) -> float:
        """Milliseconds from the start of the request to its answer."""
        return (self.ended - self.began) * 1e3

    @property
    def message(self) -> str:
        """Why the request failed, on one line; empty for a success."""
        return "" if self.error is None else " ".join(str(self.error).split()) or type(self.error).__name__


class Clock:
    """Real time. Tests of a scenario replace it with simulated time."""

    def now(self) -> float:
        """Seconds since an arbitrary moment."""
        return time.perf_counter()

    def wait(self, ended: SimpleQueue[Outcome], seconds: float) -> Outcome:
        """The next outcome.

        Raises:
            Empty: there was none for `seconds`.
        """
        return ended.get(timeout=seconds)


class RequestsInFlight:
    """Starts requests on a runner and returns their outcomes.

    Args:
        runner: answers the requests.
        requests: source of the inputs.
        batch: images in a request.
        stall_seconds: longest wait for any answer before the endpoint counts as dead.
        clock: where times are read.
        cancel_every: every so many requests one is taken back while it is in flight; 0 for none.
        given: inputs that some requests have instead, taken in turn.

    Attributes:
        count: requests started whose outcome has not been taken.
        returned: place among `given`, and pictures that came back for it.
    """

    def __init__(  # noqa: PLR0913
        self,
        runner: Runner,
        requests: Requests,
        batch: int,
        *,
        stall_seconds: float = STALL_SECONDS,
        clock: Clock | None = None,
        cancel_every: int = 0,
        given: Sequence[Mapping[str, NDArray[Any]]] = (),
    ) -> None:
        self._given, self._given_count = given, 0
        self.returned: list[tuple[int, NDArray[np.uint8]]] = []
        self._runner, self._requests, self._batch = runner, requests, batch
        self._stall_seconds = stall_seconds
        self._clock = clock or Clock()
        self._cancel_every, self._started = cancel_every, 0
        self._to_cancel: deque[tuple[int, Future[Any]]] = deque()
        self._ended: SimpleQueue[Outcome] = SimpleQueue()
        self.count = 0

    def start(self, count: int = 1) -> None:
        """Start `count` requests; a runner without a transport has answered them when this returns."""
        for _ in range(count):
            position = self._position()
            inputs = self._requests.take(self._batch) if position is None else self._given[position]
            began = self._clock.now()
            self.count += 1
            try:
                future = self._runner.submit(inputs)
            except Exception as error:  # counted like any other failed request
                self._started += 1
                self._ended.put(Outcome(began, self._clock.now(), error))
                continue
            future.add_done_callback(
                lambda done, began=began, position=position: self._note(began, done, position)
            )
            self._cancel(future)

    def take(self) -> Outcome:
        """Wait for the next request to end.

        Raises:
            EndpointError: none ended for `stall_seconds`.
        """
        try:
            outcome = self._clock.wait(self._ended, self._stall_seconds)
        except Empty:
            raise EndpointError(
                f"{self._runner.description} has not answered any of {self.count} requests for"
                f" {self._stall_seconds:g} s; look at its log and start it again"
            ) from None
        self.count -= 1
        return outcome

    def drain(self) -> list[Outcome]:
        """Wait for everything in flight."""
        return [self.take() for _ in range(self.count)]

    def _cancel(self, started: Future[Any]) -> None:
        """Take back the chosen requests: each when half of those in flight began after it."""
        self._started += 1
        if self._cancel_every and self._started % self._cancel_every == 0:
            self._to_cancel.append((self._started + self.count // 2, started))
        while self._to_cancel and self._to_cancel[0][0] <= self._started:
            self._to_cancel.popleft()[1].cancel()

    def _position(self) -> int | None:
        """Place of the given inputs that the next request has; None if it has those of `requests`."""
        often = self._given_count * self._batch < _WANTED_PICTURES
        if not self._given or self._started % (_OFTEN if often else _SELDOM):
            return None
        self._given_count += 1
        return (self._given_count - 1) % len(self._given)

    def _note(self, began: float, future: Future[Any], position: int | None) -> None:
        # The other images are dropped here: thousands of them in a queue would count as memory of the client.
        error = CancelledError("the client took it back") if future.cancelled() else future.exception()
        now = self._clock.now()
        if error is None and position is not None:
            self.returned.append((position, next(iter(future.result().values()))))
        self._ended.put(Outcome(began, now, error))


def overlaps(runner: Runner) -> bool:
    """Whether the runner has a transport, so that several requests can be in flight at once.

    Such a runner overrides `submit`; the others compute in the caller's thread, one request after the other.
    """
    return type(runner).submit is not Runner.submit
