"""What the simulation makes of a load, as the figures that a measurement has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .documents import Figures
from .shape import Traffic
from .simulation import Model, Window, simulate

__all__ = ["predicted"]


def predicted(model: Model, traffic: Traffic, windows: Sequence[Window] = ()) -> Figures:
    """What the simulation says of a load.

    Args:
        model: on the machine.
        traffic: the load.
        windows: that are followed one by one; none for one long window with drawn arrivals.
    """
    runs = [simulate(model, traffic, window=window, seed=number) for number, window in enumerate(windows)]
    if not any(len(run.latencies_ms) for run in runs):
        run = simulate(model, traffic)
        return Figures.of(run.latencies_ms, run.requests_per_second, run.mean_batch, run.utilisation)
    parts = [
        Figures.of(
            run.latencies_ms,
            run.requests_per_second,
            run.mean_batch,
            run.utilisation,
        )
        for run in runs
        if len(run.latencies_ms)
    ]
    return Figures.together(parts, np.concatenate([run.latencies_ms for run in runs]))
