"""SingleStream: the next query, of one picture, follows when the last one is answered. Its figure is a p90."""

from __future__ import annotations

from ..process import Driver
from . import base
from .base import Trials, Wanted

__all__ = ["Scenario"]

LEAST_QUERIES = 64
"""LoadGen's early stopping gives no 90th percentile of fewer."""


class Scenario(base.Scenario):
    """One query at a time."""

    name, loadgen, order = "single-stream", "SingleStream", 1
    metric, unit = "90.0th percentile latency (ns)", "ms"

    def measure(self, driver: Driver, wanted: Wanted) -> Trials:
        """See `Scenario.measure`; there is nothing to search for."""
        settings = {"min_duration_ms": round(wanted.seconds * 1e3), "min_query_count": LEAST_QUERIES}
        return Trials(driver.performance(settings), settings=settings)
