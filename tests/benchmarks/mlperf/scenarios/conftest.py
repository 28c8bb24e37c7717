"""LoadGen in simulated time, in front of a server of known capacity: what a search does with its answers."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from litho.benchmarks.mlperf.answering import Outcome
from litho.benchmarks.mlperf.logs import Summary
from litho.benchmarks.mlperf.process import Run


class Simulated:
    """Takes the place of `process.Driver`.

    Args:
        capacity: samples per second that it serves at most.
        noise: factors of the capacity, run by run; 1 when they are used up.

    Attributes:
        asked: settings of all runs.
    """

    def __init__(self, capacity: float, noise: tuple[float, ...] = ()) -> None:
        self._capacity, self._noise = capacity, list(noise)
        self.asked: list[Mapping[str, float]] = []

    def performance(self, settings: Mapping[str, float]) -> Run:
        self.asked.append(settings)
        capacity = self._capacity * (self._noise.pop(0) if self._noise else 1)
        wanted = settings["min_duration_ms"] / 1e3
        if "offline_expected_qps" in settings:
            seconds = 1.1 * settings["offline_expected_qps"] * wanted / capacity
            unmet = () if seconds >= wanted else ("Min duration",)
            return self._run("Samples per second", capacity, 1.0, unmet)
        rate = settings.get("server_target_qps", capacity)
        latency_ms = 1.0 if rate <= capacity else 1e3 * (rate / capacity - 1) * wanted + 1
        bound_ms = settings.get("server_target_latency_ns", 1e12) * 1e-6
        unmet = () if latency_ms <= bound_ms else ("Performance constraints",)
        return self._run("Completed samples per second", min(rate, capacity), latency_ms, unmet)

    def _run(self, metric: str, value: float, p99_ms: float, unmet: tuple[str, ...]) -> Run:
        figures = {
            metric: value,
            "99.00 percentile latency (ns)": p99_ms * 1e6,
            "90.0th percentile latency (ns)": 1e6,
        }
        summary = Summary(valid=not unmet, unmet=unmet, figures=figures, parameters={})
        return Run(summary, Outcome(answered=1, failed={}, seconds=1, cpu_seconds=0), [], Path())


@pytest.fixture
def simulated() -> type[Simulated]:
    return Simulated
