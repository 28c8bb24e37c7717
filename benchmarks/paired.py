"""A ratio of two things that were measured in turns, with an interval that says how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..bundle.json_documents import Document
from ..errors import UsageError

__all__ = ["Ratio", "paired_ratio"]

_RESAMPLES = 2000


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
    low, high = np.percentile(above / below, (2.5, 97.5))
    above, below = np.median(pairs, axis=1)
    return Ratio(value=float(above / below), low=float(low), high=float(high))
