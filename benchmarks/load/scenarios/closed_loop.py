"""Closed loop: a fixed number of requests is kept in flight; whenever one ends, the next one starts.

This is perf_analyzer's concurrency mode. It models a fixed number of users who ask again as soon as they are answered.
It does not measure latency at a given rate of arrivals: a closed loop slows down with the server.
"""

from __future__ import annotations

import time
from collections import Counter

import numpy as np

from ....errors import EndpointError, LithoError
from ....runners import Runner
from ....runners.triton import ServerStatistics
from ..in_flight import Clock, Outcome, RequestsInFlight, overlaps
from ..requests import Requests
from ..windows import Load, Measurement
from . import base

__all__ = ["Scenario"]

MAX_FAILURES = 100
"""A measurement stops when this many requests failed and none succeeded."""


class Scenario(base.Scenario):
    """Keeps `load.concurrency` requests in flight.

    The load runs first for the warm-up, and at least until `load.concurrency` requests have ended. Then the window
    opens while the load goes on. A request belongs to the window that it ends in. The window stays open for
    `seconds`, and at least until `load.concurrency` requests have ended: a slow model gets a longer window.

    Args:
        clock: where times are read.
    """

    name = "closed-loop"

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()

    def measure(
        self, runner: Runner, requests: Requests, load: Load, *, warmup_seconds: float, seconds: float
    ) -> Measurement:
        """See `Scenario.measure`."""
        in_flight = RequestsInFlight(runner, requests, load.batch, clock=self._clock)
        in_flight.start(load.concurrency)
        warmup = self._keep_up(in_flight, warmup_seconds, load)
        statistics_before = _statistics(runner)
        cpu_before, start = time.process_time(), self._clock.now()
        outcomes = self._keep_up(in_flight, seconds, load)
        end, cpu_after = self._clock.now(), time.process_time()
        statistics_after = _statistics(runner)
        outcomes += in_flight.drain()
        inside = [outcome for outcome in outcomes if start <= outcome.ended <= end]
        latencies_ms = [outcome.latency_ms for outcome in inside if outcome.error is None]
        if not latencies_ms:
            raise _all_failed(inside, load)
        return Measurement(
            seconds=end - start,
            batch=load.batch,
            latencies_ms=np.array(latencies_ms),
            errors=Counter(outcome.message for outcome in warmup + outcomes if outcome.error is not None),
            client_cpu_seconds=cpu_after - cpu_before,
            asked=len(warmup) + len(outcomes),
            in_flight=_in_flight(outcomes, start, end),
            in_flight_wanted=load.concurrency if overlaps(runner) else None,
            server=statistics_after - statistics_before if statistics_before and statistics_after else None,
        )

    def _keep_up(self, in_flight: RequestsInFlight, seconds: float, load: Load) -> list[Outcome]:
        """Keep up the load for `seconds`, and at least until `load.concurrency` requests have ended."""
        outcomes: list[Outcome] = []
        start = self._clock.now()
        ended = succeeded = 0
        while self._clock.now() < start + seconds or ended < load.concurrency:
            outcome = in_flight.take()
            outcomes.append(outcome)
            ended += outcome.ended >= start
            succeeded += outcome.error is None
            if not succeeded and len(outcomes) >= max(MAX_FAILURES, 2 * load.concurrency):
                raise _all_failed(outcomes, load)
            in_flight.start()
        return outcomes


def _in_flight(outcomes: list[Outcome], start: float, end: float) -> float:
    """The requests' time inside the window over its length."""
    inside = (min(one.ended, end) - max(one.began, start) for one in outcomes)
    return sum(max(0.0, seconds) for seconds in inside) / (end - start)


def _all_failed(outcomes: list[Outcome], load: Load) -> LithoError:
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    kind = EndpointError if isinstance(failed[0].error, EndpointError) else LithoError
    return kind(f"none of {len(outcomes)} requests at {load} succeeded; the first error: {failed[0].message}")


def _statistics(runner: Runner) -> ServerStatistics | None:
    """What the runner's server counted since it started; None for a runner without a server."""
    read = getattr(runner, "statistics", None)
    return None if read is None else read()
