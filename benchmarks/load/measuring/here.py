"""Measure a runner from this process: one that computes in it, or has a transport of its own.

Models of a Triton server are measured from processes of their own instead, see `generator`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ....errors import EndpointError, LithoError
from ....runners import Runner
from ....runners.triton import ServerStatistics
from ..documents.measurement import Measurement, Picked
from ..documents.windows import Load
from .in_flight import STALL_SECONDS, Clock, Outcome, RequestsInFlight, overlaps
from .probing import Gauge, Probes
from .requests import Requests

__all__ = ["measure_here", "statistics_of"]

MAX_FAILURES = 100
"""A measurement stops when this many requests failed and none succeeded."""


def measure_here(  # noqa: PLR0913
    runner: Runner,
    requests: Requests,
    load: Load,
    *,
    warmup_seconds: float,
    seconds: float,
    clock: Clock | None = None,
    probes: Probes | None = None,
    gauge: Gauge | None = None,
    stall_seconds: float = STALL_SECONDS,
) -> Measurement:
    """Keep `load.concurrency` requests in flight and measure one window; nothing is in flight when it returns.

    The load runs first for the warm-up, and at least until `load.concurrency` requests have ended. Then the window
    opens while the load goes on. A request belongs to the window that it ends in. The window stays open for
    `seconds`, and at least until `load.concurrency` requests have ended: a slow model gets a longer window.

    Args:
        runner: the measured runner.
        requests: source of the inputs.
        load: concurrency and batch.
        warmup_seconds: duration of the load before the window opens.
        seconds: shortest length of the window.
        clock: where times are read.
        probes: inputs that some requests have, and whose pictures come back.
        gauge: reads what the window uses.
        stall_seconds: longest wait for any answer before the endpoint counts as dead.

    Raises:
        LithoError: no request of the window succeeded, or the runner stopped answering.
    """
    clock = clock or Clock()
    given, numbers = ([], []) if probes is None else probes.parts(load.batch)
    in_flight = RequestsInFlight(
        runner, requests, load.batch, clock=clock, given=given, stall_seconds=stall_seconds
    )
    in_flight.start(load.concurrency)
    warmup = _keep_up(clock, in_flight, warmup_seconds, load)
    statistics_before = statistics_of(runner)
    if gauge is not None:
        gauge.begin(())
    cpu_before, start = time.process_time(), clock.now()
    outcomes = _keep_up(clock, in_flight, seconds, load)
    end, cpu_after = clock.now(), time.process_time()
    resources = None if gauge is None else gauge.end()
    statistics_after = statistics_of(runner)
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
        # Of a runner in this process there is no more than one, by construction.
        in_flight=_in_flight(outcomes, start, end) if overlaps(runner) else None,
        in_flight_wanted=load.concurrency if overlaps(runner) else None,
        server=statistics_after - statistics_before if statistics_before and statistics_after else None,
        picked=_picked(in_flight, numbers),
        resources=resources,
    )


def statistics_of(runner: Runner) -> ServerStatistics | None:
    """What the runner's server counted since it started; None for a runner without a server."""
    read = getattr(runner, "statistics", None)
    return None if read is None else read()


def _picked(in_flight: RequestsInFlight, numbers: Sequence[NDArray[np.int64]]) -> Picked | None:
    returned = in_flight.returned
    if not returned:
        return None
    return Picked(
        np.concatenate([numbers[position] for position, _ in returned]),
        np.concatenate([pictures for _, pictures in returned]),
    )


def _keep_up(clock: Clock, in_flight: RequestsInFlight, seconds: float, load: Load) -> list[Outcome]:
    """Keep up the load for `seconds`, and at least until `load.concurrency` requests have ended."""
    outcomes: list[Outcome] = []
    start = clock.now()
    ended = succeeded = 0
    while clock.now() < start + seconds or ended < load.concurrency:
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
