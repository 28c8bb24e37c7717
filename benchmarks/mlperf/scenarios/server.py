"""Server: queries of one picture arrive at random (Poisson). Its figure is the highest rate that keeps the p99 bound.

Short runs look for it: the rate rises by half until the bound is broken, then the gap is halved until it is narrow. At
the end a run of full length decides; each one that LoadGen does not call VALID lowers the rate by a tenth.
"""

from __future__ import annotations

from math import sqrt

from ..documents import Trial
from ..process import Driver, Run
from . import base
from .base import Settings, Trials, Wanted

__all__ = ["Scenario"]

LEAST_QUERIES = 662
"""LoadGen's early stopping gives no 99th percentile of fewer."""

TRIAL_QUERIES = 100
TRIAL_SECONDS = 10.0
FIRST_RATE = 20.0
LEAST_SHARE = 1 / 64
"""Lowest rate that is tried, as a share of the first: if even that breaks the bound, the rate is not the cause."""

STEP, GAP, LOWER = 1.5, 1.05, 0.9
MOST_RUNS = 8


class Scenario(base.Scenario):
    """Queries of one sample at random times."""

    name, loadgen, order = "server", "Server", 4
    metric, unit = "Completed samples per second", "samples/s"

    def measure(self, driver: Driver, wanted: Wanted) -> Trials:
        """See `Scenario.measure`; the search ends with the highest rate whose run of full length is valid."""
        trials = Trials()
        rate = self._search(driver, trials, wanted)
        for _ in range(MOST_RUNS if any(one.held for one in trials.list) else 1):
            trials.settings = settings = _settings(rate, wanted.seconds, wanted.bound_ms, LEAST_QUERIES)
            trials.final = driver.performance(settings)
            if not trials.final.reason:
                break
            trials.list.append(_trial(trials.final, rate, wanted.seconds))
            rate *= LOWER
        return trials

    def _search(self, driver: Driver, trials: Trials, wanted: Wanted) -> float:
        """The highest rate that short runs held; if none did, the lowest one that was tried."""
        seconds = min(TRIAL_SECONDS, wanted.seconds)

        def holds(rate: float) -> bool:
            run = driver.performance(_settings(rate, seconds, wanted.bound_ms, TRIAL_QUERIES))
            trials.list.append(_trial(run, rate, seconds, wanted.bound_ms))
            return trials.list[-1].held

        rate = first = FIRST_RATE if wanted.rate is None else wanted.rate / 2
        held, broken = 0.0, 0.0
        while not (held and broken) and rate >= first * LEAST_SHARE:
            if holds(rate):
                held, rate = rate, rate * STEP
            else:
                broken, rate = rate, rate / STEP**2
        while held and broken / held > GAP:
            middle = sqrt(held * broken)
            held, broken = (middle, broken) if holds(middle) else (held, middle)
        return held or broken


def _settings(rate: float, seconds: float, bound_ms: float, queries: int) -> Settings:
    return {
        "min_duration_ms": round(seconds * 1e3),
        "min_query_count": queries,
        "server_target_qps": rate,
        "server_target_latency_ns": round(bound_ms * 1e6),
        "server_target_latency_percentile": 0.99,
    }


def _trial(run: Run, rate: float, seconds: float, bound_ms: float | None = None) -> Trial:
    """A run of a search; with a bound it holds if its p99 does, though it has too few queries for LoadGen's VALID."""
    p99 = None if run.summary is None else run.summary.percentiles_ms.get("99.00")
    within = bound_ms is not None and p99 is not None and p99 <= bound_ms and not run.outcome.failed
    return Trial(rate=rate, seconds=seconds, held=within, p99_ms=p99, reason="" if within else run.reason)
