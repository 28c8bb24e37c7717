"""MultiStream: the next query, of eight pictures, follows when the last one is answered. Its figure is a p99."""

from __future__ import annotations

from ..process import Driver
from . import base
from .base import Trials, Wanted

__all__ = ["Scenario"]

LEAST_QUERIES = 662
"""LoadGen's early stopping gives no 99th percentile of fewer."""


class Scenario(base.Scenario):
    """One query of eight samples at a time."""

    name, loadgen, order = "multi-stream", "MultiStream", 2
    metric, unit = "99.0th percentile latency (ns)", "ms"
    samples_per_query = 8

    def measure(self, driver: Driver, wanted: Wanted) -> Trials:
        """See `Scenario.measure`; there is nothing to search for."""
        settings = {
            "min_duration_ms": round(wanted.seconds * 1e3),
            "min_query_count": LEAST_QUERIES,
            "multi_stream_samples_per_query": self.samples_per_query,
        }
        return Trials(driver.performance(settings), settings=settings)
