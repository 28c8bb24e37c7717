"""Open loop with bursts: gaps of a gamma distribution, as recorded loads of model servers have them.

Source: BurstGPT (Wang et al., 2024) fits gaps of a public service with gamma distributions of shapes well below 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import base

__all__ = ["Scenario"]

SHAPE = 0.25
"""Shape of the distribution: the standard deviation of a gap is twice its mean. 1 would be a Poisson process."""


class Scenario(base.OpenLoop):
    """Requests come in bursts, with long gaps between them."""

    name = "gamma"

    def gaps(self, count: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """See `OpenLoop.gaps`."""
        return generator.gamma(SHAPE, 1 / SHAPE, count)
