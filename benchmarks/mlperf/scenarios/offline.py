"""Offline: one query of all pictures at once. Its figure is the throughput.

LoadGen decides beforehand how many samples last for the wanted time. Short runs measure the rate first.
"""

from __future__ import annotations

from ..documents import Trial
from ..process import Driver, Run
from ..systems import OFFLINE_WINDOW
from . import base
from .base import Settings, Trials, Wanted

__all__ = ["Scenario"]

FIRST_SAMPLES = 128
PROBE_SECONDS = 5.0
MARGIN = 1.1
"""LoadGen asks for as many samples as last this much longer than wanted; a rate that was measured in a slow moment
needs as much again."""

MOST_RUNS = 4


class Scenario(base.Scenario):
    """One query of all samples."""

    name, loadgen, order = "offline", "Offline", 3
    metric, unit = "Samples per second", "samples/s"
    window = OFFLINE_WINDOW

    def measure(self, driver: Driver, wanted: Wanted) -> Trials:
        """See `Scenario.measure`; a run that ended too soon is made again with more samples."""
        trials = Trials()
        short = min(PROBE_SECONDS, wanted.seconds)
        rate = wanted.rate
        if rate is None:
            rate = self._try(driver, trials, FIRST_SAMPLES / short, short)
        rate = self._try(driver, trials, rate, short)
        for _ in range(MOST_RUNS):
            settings = _settings(rate * MARGIN, wanted.seconds)
            trials.settings, trials.final = settings, driver.performance(settings)
            faster = self.value(trials.final)
            if faster is None or not _too_short(trials.final):
                break
            trials.list.append(_trial(trials.final, rate * MARGIN, wanted.seconds, faster))
            rate = max(faster, rate * MARGIN)
        return trials

    def _try(self, driver: Driver, trials: Trials, rate: float, seconds: float) -> float:
        """The rate of a short run; without a figure, the one that was asked for."""
        run = driver.performance(_settings(rate, seconds))
        measured = self.value(run)
        trials.list.append(_trial(run, rate, seconds, measured))
        return rate if measured is None else measured


def _settings(rate: float, seconds: float) -> Settings:
    return {"min_duration_ms": round(seconds * 1e3), "min_query_count": 1, "offline_expected_qps": rate}


def _too_short(run: Run) -> bool:
    return run.summary is not None and "Min duration" in run.summary.unmet


def _trial(run: Run, rate: float, seconds: float, measured: float | None) -> Trial:
    found = f"{measured:.1f} samples/s" if measured else ""
    reason = "; ".join(filter(None, (found, run.reason)))
    return Trial(rate=rate, seconds=seconds, held=not run.reason, reason=reason)
