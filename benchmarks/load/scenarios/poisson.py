"""Open loop of many users who know nothing of each other: a Poisson process."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import base

__all__ = ["Scenario"]


class Scenario(base.OpenLoop):
    """Gaps are exponential: their standard deviation is their mean."""

    name = "poisson"

    def gaps(self, count: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """See `OpenLoop.gaps`."""
        return generator.exponential(1.0, count)
