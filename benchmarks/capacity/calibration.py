"""The loads that costs come from, measured on a live server, and the costs of each way of serving."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ...errors import EndpointError
from ..load.documents.measurement import Measurement
from ..shared.cores import Cores
from .costs import Costs
from .fitting import fitted
from .recorded import Source
from .serving import Endpoint, Gapped, InTurn
from .shape import Kind, Served, Site, Traffic
from .spent import NOTHING, Further, usual_mean

__all__ = [
    "LONE",
    "MANY",
    "extra_of",
    "fits_of",
    "measured_site",
    "single_of",
    "take",
    "take_costs",
]

LONE, MANY = 1, 32
"""Clients of the two loads that the costs come from."""

_ROWS = 32
_GAPS = (Gapped(4.0), Gapped(8.0), Gapped(25.0))
_IN_TURN = InTurn((1, 2))
_BUSY = Traffic(clients=24)
"""Further loads that the costs of a generator of one graph come from; `extra_of` says which of them."""

_LONGER = (1, 3, 9)
"""How many times as long a window is that is measured again."""


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


def extra_of(model: Endpoint, way: Served, seconds: float) -> tuple[Traffic | Gapped | InTurn, ...]:
    """Further loads that costs come from: those that the model takes, with gaps that are longer than its requests.

    Args:
        model: of a generator of one graph, whose lone requests are measured for that.
        way: in which it is served.
        seconds: of that window.
    """
    lone = take(model, Traffic(clients=LONE), seconds)
    several = (_large(way), _IN_TURN) if way.largest > 1 else ()
    longest = 2 * usual_mean(lone.latencies_ms)
    return (*several, _BUSY, *(gap for gap in _GAPS if gap.gap_ms > longest))


def _large(way: Served) -> Traffic:
    return Traffic(clients=LONE, kinds=(Kind(rows=min(_ROWS, way.largest)),))


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
        number = single_of(ways) or 0
        for extra in extra_of(models[number], ways[number], seconds):
            take(models[number], extra, seconds)


def fits_of(
    ways: Sequence[Served],
    models: Sequence[Source],
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
            further = _further(models[single or 0], ways[single or 0], alone=single is not None)
            fits |= set() if single is None else {(single, LONE)}
        fits |= {(number, LONE), (number, MANY)}
        windows = {count: model.spent(Traffic(clients=count, kinds=kinds)) for count in (LONE, MANY)}
        found.append(fitted(runner[way.threads], way, site, windows, kinds, further))
    return fits, found


def _further(model: Source, way: Served, *, alone: bool) -> Further:
    """What the costs come from beside the checked loads, of a model that has one instance if `alone`."""
    large = _large(way)
    return Further(
        single=model.spent(Traffic(clients=LONE)) if alone else None,
        rows=(large.kinds[0].rows, model.spent(large)) if model.has(large) else None,
        busy=(_BUSY.clients or 1, model.spent(_BUSY)),
        turns=model.spent(_IN_TURN) if model.has(_IN_TURN) else None,
        gaps={gap.gap_ms: model.mean_ms(gap) for gap in _GAPS if model.has(gap)},
    )


def single_of(ways: Sequence[Served]) -> int | None:
    """Number of the way that differs from the first in that it has one instance; None if there is none."""
    first = ways[0]
    return next(
        (n for n, way in enumerate(ways) if n and way.instances == 1 and way.threads == first.threads), None
    )
