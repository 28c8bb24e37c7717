"""The loads that costs come from, measured on a live server, and the costs of each way of serving."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ...errors import EndpointError
from ..cores import Cores, split_cores
from ..load.documents.measurement import Measurement
from .costs import Costs
from .fitting import NOTHING, Further, Spent, fitted, spent_in, usual_mean
from .serving import Endpoint, Gapped, InTurn, Measured
from .shape import Kind, Served, Site, Traffic

__all__ = [
    "EXTRA",
    "LONE",
    "MANY",
    "cores_apart",
    "fits_of",
    "measured_site",
    "single_of",
    "take",
    "take_costs",
]

LONE, MANY = 1, 32
"""Clients of the two loads that the costs come from."""

_ROWS = 32
_LARGE = Traffic(clients=LONE, kinds=(Kind(rows=_ROWS),))
_GAPS = (Gapped(4.0), Gapped(8.0), Gapped(25.0))
_IN_TURN = InTurn((1, 2))
_BUSY = Traffic(clients=24)
EXTRA = (_LARGE, _IN_TURN, _BUSY, *_GAPS)
"""Further loads that the costs come from, of a generator of one graph."""

_LONGER = (1, 3, 9)
"""How many times as long a window is that is measured again."""


def cores_apart() -> Cores | None:
    """Cores of the server and of the load generator; None on a machine with one core, which they share."""
    return split_cores() if len(os.sched_getaffinity(0)) > 1 else None


def measured_site(apart: Cores | None) -> Site:
    """The measured server's cores, and where its load generator was.

    Args:
        apart: their cores; None where they share the only one.
    """
    if apart is None:
        return Site(cores=len(os.sched_getaffinity(0)), clients_here=True)
    return Site(cores=len(apart.server), client_cores=len(apart.clients))


def take(model: Endpoint, traffic: Traffic | Gapped | InTurn, seconds: float) -> Measurement:
    """Measure a window; a longer one where none of its requests was answered, because the machine stalled.

    Args:
        model: under load.
        traffic: the load.
        seconds: of the window, at least.

    Raises:
        LithoError: no request was answered in the longest window either, or the server stopped answering.
    """
    for factor in _LONGER:
        with suppress(EndpointError):
            return model.take(traffic, seconds * factor)
    return model.take(traffic, seconds * _LONGER[-1] * 3)


def take_costs(
    models: Sequence[Endpoint], ways: Sequence[Served], kinds: tuple[Kind, ...], seconds: float
) -> None:
    """Measure one window of every load that the costs of the first way come from.

    Args:
        models: of the ways.
        ways: the first, and with it the same with one instance, if that differs.
        kinds: of the requests.
        seconds: of each window.
    """
    for clients in (LONE, MANY):
        take(models[0], Traffic(clients=clients, kinds=kinds), seconds)
    if models[0].plain:
        single = single_of(ways)
        if single is not None:
            take(models[single], Traffic(clients=LONE, kinds=kinds), seconds)
        for extra in EXTRA:
            take(models[single or 0], extra, seconds)


def fits_of(
    ways: Sequence[Served],
    models: Sequence[Endpoint],
    runner: Mapping[int, Costs],
    site: Site,
    kinds: tuple[Kind, ...],
) -> tuple[set[tuple[int, int | None]], list[Costs]]:
    """Loads that the costs come from, as number of the way and clients; and the costs of each way.

    Args:
        ways: that were measured.
        models: of these.
        runner: threads -> costs of the runner.
        site: on which.
        kinds: of the requests.
    """
    fits, found = set[tuple[int, int | None]](), list[Costs]()
    single = single_of(ways)
    for number, (way, model) in enumerate(zip(ways, models, strict=True)):
        if number and model.plain:
            same = way.threads == ways[0].threads
            found.append(found[0] if same else found[0].of_runner(runner[way.threads]))
            continue
        further = NOTHING
        if model.plain:
            further = _further(models, single, kinds)
            fits |= set() if single is None else {(single, LONE)}
        fits |= {(number, LONE), (number, MANY)}
        windows = {count: _spent(model, count, kinds) for count in (LONE, MANY)}
        found.append(fitted(runner[way.threads], way, site, windows, kinds, further))
    return fits, found


def _further(models: Sequence[Endpoint], single: int | None, kinds: tuple[Kind, ...]) -> Further:
    """What the costs come from beside the checked loads."""
    model = models[single or 0]
    return Further(
        single=None if single is None else _spent(model, LONE, kinds),
        rows=(_ROWS, _spent(model, LONE, (Kind(rows=_ROWS),))),
        busy=(_BUSY.clients or 1, _spent_in(model.measured(_BUSY))),
        turns=_spent_in(model.measured(_IN_TURN)),
        gaps={gap.gap_ms: usual_mean(model.measured(gap).pooled.latencies_ms) for gap in _GAPS},
    )


def single_of(ways: Sequence[Served]) -> int | None:
    """Number of the way that differs from the first in that it has one instance; None if there is none."""
    first = ways[0]
    return next(
        (n for n, way in enumerate(ways) if n and way.instances == 1 and way.threads == first.threads), None
    )


def _spent(model: Endpoint, clients: int, kinds: tuple[Kind, ...]) -> Spent:
    return _spent_in(model.measured(Traffic(clients=clients, kinds=kinds)))


def _spent_in(measured: Measured) -> Spent:
    return spent_in(measured.pooled, measured.windows)
