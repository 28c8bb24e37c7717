"""Closed loop: a fixed number of requests is kept in flight; whenever one ends, the next one starts.

This is perf_analyzer's concurrency mode, and how a fixed number of impatient users behaves. Latency under a given
rate of arrivals is another question: a closed loop slows down with the server.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from ....errors import EndpointError, LithoError
from ....runners import Runner
from ..flight import Flight, Outcome
from ..requests import Requests
from ..windows import Load, Measurement
from . import base

if TYPE_CHECKING:
    from ....runners.triton import ServerStatistics

__all__ = ["Scenario"]

HOPELESS_FAILURES = 100
"""A load under which the first so many requests all fail is given up."""


class Scenario(base.Scenario):
    """Keeps `load.concurrency` requests in flight.

    The load runs for the warm-up first and until every place of the loop has turned over; then the window opens
    while the load goes on. A request belongs to the window that it ends in. The window stays open for `seconds`
    and until as many requests ended as are in flight, so that a slow model gets a longer window, not an empty one.
    """

    name = "closed-loop"

    def measure(
        self, runner: Runner, requests: Requests, load: Load, *, warmup_seconds: float, seconds: float
    ) -> Measurement:
        """See `Scenario.measure`; the load counts by its concurrency."""
        flight = Flight(runner, requests, load.batch)
        flight.launch(load.concurrency)
        warmup = _keep(flight, warmup_seconds, load)
        statistics_before = _statistics(runner)
        cpu_before, start = time.process_time(), time.perf_counter()
        outcomes = _keep(flight, seconds, load)
        end, cpu_after = time.perf_counter(), time.process_time()
        statistics_after = _statistics(runner)
        outcomes += flight.drain()
        answered = [
            outcome for outcome in outcomes if outcome.error is None and start <= outcome.ended <= end
        ]
        if not answered:
            raise _hopeless(outcomes, load)
        return Measurement(
            seconds=end - start,
            batch=load.batch,
            latencies_ms=np.array([outcome.latency_ms for outcome in answered]),
            errors=Counter(outcome.message for outcome in warmup + outcomes if outcome.error is not None),
            client_cpu_seconds=cpu_after - cpu_before,
            server=statistics_after - statistics_before if statistics_before and statistics_after else None,
        )


def _keep(flight: Flight, seconds: float, load: Load) -> list[Outcome]:
    """Keep the load up for `seconds` and until every place of the loop has turned over since."""
    outcomes: list[Outcome] = []
    start = time.perf_counter()
    turned = succeeded = 0
    while time.perf_counter() < start + seconds or turned < load.concurrency:
        outcome = flight.take()
        outcomes.append(outcome)
        turned += outcome.ended >= start
        succeeded += outcome.error is None
        if not succeeded and len(outcomes) >= max(HOPELESS_FAILURES, 2 * load.concurrency):
            raise _hopeless(outcomes, load)
        flight.launch()
    return outcomes


def _hopeless(outcomes: list[Outcome], load: Load) -> LithoError:
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    kind = EndpointError if isinstance(failed[0].error, EndpointError) else LithoError
    return kind(f"none of {len(outcomes)} requests at {load} succeeded; the first error: {failed[0].message}")


@runtime_checkable
class _KeepsStatistics(Protocol):
    def statistics(self) -> ServerStatistics:
        """What the server counted since it started."""
        ...


def _statistics(runner: Runner) -> ServerStatistics | None:
    return runner.statistics() if isinstance(runner, _KeepsStatistics) else None
