"""Ratios of things that were measured in turns, with intervals that say how far to trust them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...bundle.json_documents import Document
from ...errors import UsageError

__all__ = ["Ratio", "median_interval", "paired_ratio", "resampled_medians"]

_RESAMPLES = 4000
_ENDS = (0.025, 0.975)


def resampled_medians(values: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Medians of resamples of the values, FP64 of shape (resamples,).

    Args:
        values: of shape (count,), not empty.
        random: draws the resamples.
    """
    return np.median(random.choice(values, (_RESAMPLES, len(values))), axis=1)


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the median, by bootstrap (percentile method; Efron and Tibshirani 1993, 13.3).

    The same values give the same interval.

    Args:
        values: at least one.
    """
    medians = resampled_medians(np.asarray(values, np.float64), np.random.default_rng(0))
    low, high = np.quantile(medians, _ENDS)
    return float(low), float(high)


class Ratio(Document):
    """A ratio and its 95 % interval.

    Args:
        value: ratio of the medians over all pairs.
        low, high: ends of the interval, by a bootstrap over the pairs.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def paired_ratio(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """The median of the first over that of the second; whole pairs are drawn for the interval (Efron 1979).

    Args:
        first, second: above 0, equally many; those at the same place were measured one soon after the other.

    Raises:
        UsageError: there is no pair, or not every value has a partner.
    """
    if not first or len(first) != len(second):
        raise UsageError(
            f"{len(first)} and {len(second)} values are no pairs; give as many of each, at least 1"
        )
    pairs = np.array([first, second])
    drawn = np.random.default_rng(0).integers(0, len(first), (_RESAMPLES, len(first)))
    above, below = np.median(pairs[:, drawn], axis=2)
    low, high = np.quantile(above / below, _ENDS)
    above, below = np.median(pairs, axis=1)
    return Ratio(value=float(above / below), low=float(low), high=float(high))
