"""Latency of requests: percentiles with intervals, none from too few requests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from ....bundle.json_documents import Document

__all__ = ["FEWEST_REQUESTS", "Latency", "Percentile", "percentile"]

FEWEST_REQUESTS = {"p50": 1, "p90": 100, "p95": 200, "p99": 1_000, "p999": 10_000}
"""Percentile -> number of requests below which it is not given: ten must be slower than it."""

_PERCENT = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
_OUTSIDE = 0.025
"""Probability that the true percentile lies below the interval, and that it lies above."""


def percentile(values: NDArray[np.float64], percent: float) -> float:
    """The smallest value that at least `percent` % of the values do not exceed (nearest rank).

    The result is one of the values; of fewer than 100 values the 99th percentile is the largest.

    Args:
        values: of shape (count,), not empty.
        percent: in (0, 100].
    """
    return float(np.percentile(values, percent, method="inverted_cdf"))


class Percentile(Document):
    """A percentile, with the interval that holds the true one with 95 % confidence.

    The interval's ends are values themselves: their ranks follow from the binomial distribution, whatever the values
    are distributed like (David and Nagaraja, Order Statistics, 7.1). It assumes that requests are independent;
    neighbours in a queue are not, so that it is rather too narrow.

    Args:
        value_ms: in milliseconds, nearest rank.
        low_ms, high_ms: ends of the interval; None where there are too few values, or in a document of schema 1.
    """

    value_ms: float
    low_ms: float | None = None
    high_ms: float | None = None

    @classmethod
    def of(cls, ordered_ms: NDArray[np.float64], percent: float) -> Percentile:
        """A percentile of ascending values, FP64 of shape (count,), not empty; `percent` is in (0, 100)."""
        low, high = _ranks(len(ordered_ms), percent / 100)
        return cls(
            value_ms=percentile(ordered_ms, percent),
            low_ms=None if low is None else float(ordered_ms[low - 1]),
            high_ms=None if high is None else float(ordered_ms[high - 1]),
        )


class Latency(Document):
    """Latency of requests as the client sees it, in milliseconds.

    Args:
        mean_ms, max_ms: of all requests.
        p50, p90, p95, p99, p999: percentiles; None where there are fewer requests than `FEWEST_REQUESTS` says.
    """

    mean_ms: float
    p50: Percentile
    p90: Percentile | None = None
    p95: Percentile | None = None
    p99: Percentile | None = None
    p999: Percentile | None = None
    max_ms: float

    @model_validator(mode="before")
    @classmethod
    def _of_schema_1(cls, given: Any) -> Any:
        """Schema 1 held p50_ms, p90_ms and p99_ms as numbers, whatever the number of requests."""
        if not isinstance(given, dict) or "p50_ms" not in given:
            return given
        return {
            name.removesuffix("_ms") if name.startswith("p") else name: (
                {"value_ms": value} if name.startswith("p") else value
            )
            for name, value in given.items()
        }

    @classmethod
    def of(cls, latencies_ms: NDArray[np.float64]) -> Latency:
        """Summarise the latency of each request, FP64 of shape (requests,), not empty."""
        ordered = np.sort(latencies_ms)
        found = {
            name: Percentile.of(ordered, percent)
            for name, percent in _PERCENT.items()
            if len(ordered) >= FEWEST_REQUESTS[name]
        }
        return cls(mean_ms=float(ordered.mean()), max_ms=float(ordered[-1]), **found)

    @property
    def p50_ms(self) -> float:
        """The median."""
        return self.p50.value_ms

    @property
    def p90_ms(self) -> float | None:
        """The 90th percentile; None from too few requests."""
        return None if self.p90 is None else self.p90.value_ms

    @property
    def p95_ms(self) -> float | None:
        """The 95th percentile; None from too few requests."""
        return None if self.p95 is None else self.p95.value_ms

    @property
    def p99_ms(self) -> float | None:
        """The 99th percentile; None from too few requests."""
        return None if self.p99 is None else self.p99.value_ms

    @property
    def p999_ms(self) -> float | None:
        """The 99.9th percentile; None from too few requests."""
        return None if self.p999 is None else self.p999.value_ms


def _ranks(count: int, share: float) -> tuple[int | None, int | None]:
    """Ranks, from 1, of the two values between which the quantile lies; None where no value is far enough out.

    The number of values below the true quantile is binomial with `count` and `share`.
    """
    spread = 12 * (count * share * (1 - share)) ** 0.5 + 12
    first, last = max(0, int(count * share - spread)), min(count, int(count * share + spread) + 1)
    numbers = np.arange(first, last, dtype=np.float64)
    steps = np.log((count - numbers) / (numbers + 1) * share / (1 - share))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    mass = np.exp(logs - logs.max())
    below = np.cumsum(mass) / mass.sum()  # of the numbers first to last: probability of so many or fewer
    low = first + int(np.searchsorted(below, _OUTSIDE, side="right"))
    high = first + int(np.searchsorted(below, 1 - _OUTSIDE)) + 1
    return low if low >= 1 else None, high if high <= count else None
