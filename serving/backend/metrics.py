"""Figures of an engine among Triton's metrics: Triton hands requests in flight over at once and sees nothing of them.

Triton's own queue and request times end when `execute` returns, before the engine begins. So litho counts what
happens then, as custom metrics of the Python backend, with the labels `model` and `version` that Triton's have.
"""

# pyright: reportMissingImports=false
# Triton provides `triton_python_backend_utils`.

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import triton_python_backend_utils as pb_utils

from ..in_flight.live_requests import EngineStatistics
from .periodic import Periodic

__all__ = ["COUNTERS", "FAILURES", "GAUGES", "PREFIX", "EngineMetrics"]

PREFIX = "litho_in_flight_"

COUNTERS = {
    "requests": ("requests_total", "Requests whose last picture was given"),
    "request_seconds": (
        "request_seconds_total",
        "Seconds from arrival to the last picture, of those requests",
    ),
    "pictures": ("pictures_total", "Pictures that were given, previews not among them"),
    "admitted": ("admitted_rows_total", "Pictures whose computation began"),
    "queue_seconds": ("queue_seconds_total", "Seconds that those pictures waited for it"),
    "steps": ("steps_total", "Steps of the sampler, each of all pictures in a lane"),
    "moved": ("moved_rows_total", "Pictures in those steps, each counted in every step"),
}
"""Name here -> name of the metric after `PREFIX`, and its description."""
GAUGES = {
    "live": ("live_rows", "Pictures between their first and last step"),
    "waiting": ("waiting_rows", "Pictures whose computation has not begun"),
}
"""As `COUNTERS`, of present states."""
FAILURES = ("refused", "expired", "gone", "failed")
"""Values of the label `reason` of `litho_in_flight_failures_total`; fields of `EngineStatistics`."""

_FIELDS = {"requests": "answered", "request_seconds": "answer_seconds"}
"""Name here -> field of `EngineStatistics`, where they differ."""

_SECONDS = 0.5
"""Between two updates: each value that changed costs a message to the server."""


class EngineMetrics:
    """Keeps the metrics of an engine up to date, from a thread of its own, until it is closed.

    Figures that the server does not take are given again the next time; its log says once that it does not.

    Args:
        statistics: of the engine.
        labels: of all metrics: model and version.
    """

    def __init__(self, statistics: Callable[[], EngineStatistics], labels: dict[str, str]) -> None:
        self._statistics = statistics
        self._families: list[Any] = []
        self._metrics: dict[str, Any] = {}
        family = self._family(
            "failures_total", "Requests that got an error, by reason", pb_utils.MetricFamily.COUNTER
        )
        for reason in FAILURES:
            self._metrics[reason] = family.Metric(labels={**labels, "reason": reason})
        for kind, chosen in (
            (pb_utils.MetricFamily.COUNTER, COUNTERS),
            (pb_utils.MetricFamily.GAUGE, GAUGES),
        ):
            for name, (metric, description) in chosen.items():
                self._metrics[name] = self._family(metric, description, kind).Metric(labels=labels)
        self._given = dict.fromkeys(self._metrics, 0.0)
        self._periodic = Periodic(self.publish, _SECONDS, _report, "litho metrics")

    def close(self) -> None:
        """Publish the last values; the engine need not run any more."""
        self._periodic.close()
        # A server that ends may take no more figures: the model still has to release its runners.
        with suppress(Exception):
            self.publish()
        # The server takes back a family only after its metrics.
        self._metrics.clear()
        self._families.clear()

    def publish(self) -> None:
        """Give the server what has changed since the last call."""
        statistics = self._statistics()
        # The server prints the families in the order in which they were made. Requests that ended come first there and
        # last here, so that who reads in between never sees a request without its pictures.
        for name in reversed(self._metrics):
            value = getattr(statistics, _FIELDS.get(name, name))
            if change := value - self._given[name]:
                # Gauges too: instances of one model share a metric, which is then their sum.
                self._metrics[name].increment(change)
                self._given[name] = value

    def _family(self, name: str, description: str, kind: Any) -> Any:
        family = pb_utils.MetricFamily(name=PREFIX + name, description=description, kind=kind)
        self._families.append(family)
        return family


def _report(reason: str) -> None:
    pb_utils.Logger.log_warn(f"figures of the engine are not published at the moment: {reason}")
