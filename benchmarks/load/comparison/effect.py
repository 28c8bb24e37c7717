"""How much faster or slower one thing is than another, from measurements in pairs: effect, interval, verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ....bundle.json_documents import Document
from ...shared.paired import resampled_medians

__all__ = ["FEWEST_PAIRS", "TOLERANCE", "Effect", "Verdict"]

TOLERANCE = 0.05
"""Change of the speed, as a share, that counts as none."""

FEWEST_PAIRS = 6
"""With fewer pairs no interval of the median has 95 % confidence: that all six lie on one side of it has 3 %."""

_OUTSIDE = 0.025

Verdict = Literal["faster", "same", "slower", "not decided"]


class Effect(Document):
    """Speed of B over that of A.

    Args:
        ratio: median over the pairs of the speed of B over that of A; above 1 where B is faster. Of several groups
            of pairs, the geometric mean of their medians.
        low, high: 95 % interval of the ratio by bootstrap over the pairs (Efron and Tibshirani, An Introduction to
            the Bootstrap, 1993, 13.3).
        pairs: number of pairs.
        tolerance: change that counts as none, as a share.
    """

    ratio: float
    low: float
    high: float
    pairs: int
    tolerance: float = TOLERANCE

    @classmethod
    def of(cls, groups: Sequence[Sequence[float]], tolerance: float = TOLERANCE) -> Effect:
        """The effect that the ratios of the pairs show, by group; the pairs of a load are a group.

        The same ratios give the same interval.

        Args:
            groups: ratios, each above 0; no group is empty.
            tolerance: see `Effect`.
        """
        logs = [np.log(np.asarray(group, np.float64)) for group in groups]
        random = np.random.default_rng(0)
        resampled = np.mean([resampled_medians(each, random) for each in logs], axis=0)
        low, high = np.exp(np.quantile(resampled, [_OUTSIDE, 1 - _OUTSIDE]))
        return cls(
            ratio=float(np.exp(np.mean([np.median(each) for each in logs]))),
            low=float(low),
            high=float(high),
            pairs=sum(len(each) for each in logs),
            tolerance=tolerance,
        )

    @property
    def verdict(self) -> Verdict:
        """Slower or faster if the whole interval lies beyond the tolerance, the same if it lies within."""
        if self.pairs < FEWEST_PAIRS:
            return "not decided"
        if self.high < 1 - self.tolerance:
            return "slower"
        if self.low > 1 + self.tolerance:
            return "faster"
        return "same" if 1 - self.tolerance <= self.low and self.high <= 1 + self.tolerance else "not decided"

    def __str__(self) -> str:
        return f"{self.ratio:.3f} ({self.low:.3f} to {self.high:.3f})"
