"""Requests in flight: start them on a runner and take their outcomes in the order in which they end.

One thread starts requests and reads outcomes; the runner's transport only notes the time and queues the outcome.
Knows nothing of when a request should start: that is the scenario's part.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from ...errors import EndpointError
from ...runners import Runner
from .requests import Requests

__all__ = ["Flight", "Outcome", "overlaps"]

STALL_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended.

    Args:
        began, ended: moments of `time.perf_counter`, in seconds.
        error: why it failed; None when the runner checked its pictures and handed them over.
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
        """Why the request failed, on one line; empty when it did not."""
        return "" if self.error is None else " ".join(str(self.error).split()) or type(self.error).__name__


class Flight:
    """Starts requests on a runner and hands out their outcomes.

    Args:
        runner: what answers.
        requests: where the inputs come from.
        batch: pictures in a request.
        stall_seconds: how long to wait for any answer before the endpoint is given up.

    Attributes:
        in_flight: requests started whose outcome has not been taken.
    """

    def __init__(
        self, runner: Runner, requests: Requests, batch: int, stall_seconds: float = STALL_SECONDS
    ) -> None:
        self._runner, self._requests, self._batch = runner, requests, batch
        self._stall_seconds = stall_seconds
        self._ended: SimpleQueue[Outcome] = SimpleQueue()
        self.in_flight = 0

    def launch(self, count: int = 1) -> None:
        """Start `count` requests; a runner without a transport has answered them when this returns."""
        for _ in range(count):
            inputs = self._requests.take(self._batch)
            began = time.perf_counter()
            self.in_flight += 1
            try:
                future = self._runner.submit(inputs)
            except Exception as error:  # counted like any other failed request
                self._ended.put(Outcome(began, time.perf_counter(), error))
                continue
            future.add_done_callback(lambda done, began=began: self._note(began, done))

    def take(self) -> Outcome:
        """Wait for the next request to end.

        Raises:
            EndpointError: none ended for `stall_seconds`.
        """
        try:
            outcome = self._ended.get(timeout=self._stall_seconds)
        except Empty:
            raise EndpointError(
                f"{self._runner.description} has not answered any of {self.in_flight} requests for"
                f" {self._stall_seconds:g} s; look at its log and start it again"
            ) from None
        self.in_flight -= 1
        return outcome

    def drain(self) -> list[Outcome]:
        """Wait for everything in flight."""
        return [self.take() for _ in range(self.in_flight)]

    def _note(self, began: float, future: Future[Any]) -> None:
        # A result is dropped here: thousands of pictures in a queue would be measured as memory of the client.
        self._ended.put(Outcome(began, time.perf_counter(), future.exception()))


def overlaps(runner: Runner) -> bool:
    """Whether the runner has a transport, so that several requests can be in flight at once.

    Such a runner overrides `submit`; the others compute in the caller's thread, one request after the other.
    """
    return type(runner).submit is not Runner.submit
