"""What requests of a measured window cost: processor time of each process, batches, latencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LithoError
from ..load.documents.measurement import Measurement
from .simulation import Window

__all__ = ["NOTHING", "WINDOWS", "Further", "Spent", "quantiles", "spent_in", "usual_mean"]

_COUNT = 41
"""Quantiles that describe the latencies of a load."""

WINDOWS = 3
"""Most windows of a load that are simulated for a fit."""


@dataclass(frozen=True)
class Spent:
    """Processor time for each request of a window, in milliseconds.

    Args:
        client: of the load generator.
        server: of the server without its instances.
        instances: of these.
        batches: for each request; None where the server does not count them.
        mean_ms: latency, without the slowest and the fastest hundredth: a machine that stalls is not a cost.
        latencies_ms: FP64 of shape (requests,).
        sizes: rows of a batch -> batches; None likewise.
        steps: of a sampler for each request; None of a generator of one graph.
        windows: that were measured, to be simulated likewise; without, long ones are.
    """

    client: float
    server: float
    instances: float
    batches: float | None
    mean_ms: float
    latencies_ms: Any
    sizes: Mapping[int, int] | None = None
    steps: float | None = None
    windows: tuple[Window, ...] = ()


def spent_in(measured: Measurement, windows: tuple[Window, ...] = ()) -> Spent:
    """What the requests of one or several windows cost.

    Args:
        measured: of all windows together.
        windows: when each was.

    Raises:
        LithoError: the processes of the server were not seen, or one of them ended.
    """
    used, requests = measured.resources, measured.requests
    if used is None or used.server is None or used.stubs is None:
        raise LithoError("the processes of the server cannot be measured; it must run on this machine")
    scale = 1e3 / requests * measured.seconds / used.seconds
    counted = measured.server
    return Spent(
        client=used.client.cpu_seconds * scale,
        server=used.server.cpu_seconds * scale,
        instances=used.stubs.cpu_seconds * scale,
        batches=counted.executions / counted.requests if counted and counted.requests else None,
        mean_ms=usual_mean(measured.latencies_ms),
        latencies_ms=measured.latencies_ms,
        sizes=counted.batch_sizes if counted else None,
        steps=None if measured.steps is None else measured.steps / requests,
        windows=windows[:WINDOWS],
    )


@dataclass(frozen=True)
class Further:
    """Windows of a generator of one graph that tell what else its batches cost.

    Args:
        single: lone requests of a model with one instance and as many threads; None if there were none.
        rows: pictures of a larger lone request to the same, and what it cost; None likewise.
        turns: lone requests to the same that have one and two pictures in turn, and what they cost.
        busy: clients that keep the same busy, and what their requests cost.
        gaps: milliseconds between lone requests to the same -> how long they take.
    """

    single: Spent | None = None
    rows: tuple[int, Spent] | None = None
    turns: Spent | None = None
    busy: tuple[int, Spent] | None = None
    gaps: Mapping[float, float] = field(default_factory=dict)


NOTHING = Further()


def usual_mean(latencies_ms: NDArray[np.float64]) -> float:
    """Mean without the slowest and the fastest hundredth."""
    return float(quantiles(latencies_ms).mean())


def quantiles(latencies_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """41 quantiles, FP64 of shape (41,): the middles of equally likely parts; 41 such quantiles stay the same."""
    if len(latencies_ms) == _COUNT:
        return np.sort(latencies_ms)
    return np.quantile(latencies_ms, (np.arange(_COUNT) + 0.5) / _COUNT, method="hazen")
