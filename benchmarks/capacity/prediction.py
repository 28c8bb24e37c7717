"""What the simulation makes of a load, as the figures that a measurement has."""

from __future__ import annotations

import numpy as np

from .documents import Figures
from .serving import Measured
from .shape import Traffic
from .simulation import Model, Simulated, simulate

__all__ = ["predicted"]


def predicted(model: Model, traffic: Traffic, measured: Measured | None = None) -> Figures:
    """What the simulation says of a load.

    Args:
        model: on the machine.
        traffic: the load.
        measured: whose arrivals are followed, in an open loop; None to draw them.
    """
    windows = () if measured is None else measured.windows
    runs: list[Simulated] = [
        simulate(model, traffic, window=window, seed=number) for number, window in enumerate(windows)
    ] or [simulate(model, traffic)]
    latencies = np.concatenate([run.latencies_ms for run in runs])
    rate = float(np.mean([run.requests_per_second for run in runs]))
    if windows:
        rate = len(latencies) / sum(window.end_ms - window.start_ms for window in windows) * 1e3
    return Figures.of(
        latencies,
        rate,
        float(np.mean([run.mean_batch for run in runs])),
        float(np.mean([run.utilisation for run in runs])),
    )
