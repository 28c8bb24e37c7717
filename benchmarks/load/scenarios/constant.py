"""Open loop with equal gaps: the kindest arrivals that a rate can have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import base

__all__ = ["Scenario"]


class Scenario(base.OpenLoop):
    """Requests leave at equal distances."""

    name = "constant"

    def gaps(self, count: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """See `OpenLoop.gaps`."""
        del generator
        return np.ones(count)
