"""Closed loop: a fixed number of requests is kept in flight; whenever one ends, the next one starts.

This is perf_analyzer's concurrency mode. It models a fixed number of users who ask again as soon as they are answered.
It does not measure latency at a given rate of arrivals: a closed loop slows down with the server.
"""

from __future__ import annotations

import numpy as np

from . import base

__all__ = ["Scenario"]


class Scenario(base.Scenario):
    """Keeps requests in flight."""

    name = "closed-loop"
    rated = False

    def times(self, rate: float, seconds: float, generator: np.random.Generator) -> None:
        """See `Scenario.times`."""
