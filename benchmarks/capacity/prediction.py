"""What the simulation makes of a load, as the figures that a measurement has."""

from __future__ import annotations

import numpy as np

from .documents import Figures
from .serving import Measured
from .shape import Traffic
from .simulation import Model, simulate

__all__ = ["predicted"]


def predicted(model: Model, traffic: Traffic, measured: Measured | None = None) -> Figures:
    """What the simulation says of a load.

    Args:
        model: on the machine.
        traffic: the load.
        measured: whose windows are followed one by one; None for one long window with drawn arrivals.
    """
    windows = () if measured is None else measured.windows
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
