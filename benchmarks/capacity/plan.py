"""How many machines a load takes: every way to serve is simulated up to the rate at which its p95 is still in time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import LithoError, UsageError
from ...reporting.progress import Progress, quiet
from ..load.documents.cost import price_of
from ..load.documents.result import BenchResult
from ..shared.machine import Machine
from .costs import Costs
from .documents import Figures, Point
from .plan_documents import Goal, Option, PlanResult
from .prediction import predicted
from .shape import Served, Site, Traffic
from .simulation import Model, Simulated, simulate

__all__ = ["REQUESTS", "Known", "compared", "find_plan", "highest_rate", "option_of", "ways_on"]

_AHEAD = 2
"""Full batches of requests for each instance that keep a machine busy."""

_SMALL_BATCH = 8
_HALVINGS = 8
"""Halvings of the search for the highest rate: it ends within 0.4 % of the rate that saturates a machine."""

_LEAST_SHARE = 1e-3  # of the rate that saturates: a request at such a rate is alone

REQUESTS = 4_000
"""Requests of each simulation, unless said otherwise; the figures of the plan come from twice as many."""


@dataclass(frozen=True)
class Known:
    """What a plan is made from.

    Args:
        bundle, variant: names, of the generator.
        sampler: whether its rows can be made in flight.
        costs: threads of an instance -> costs.
        site: one of the planned machines.
        machine: on which the costs were measured.
        measured_at: ISO 8601, UTC.
    """

    bundle: str
    variant: str
    sampler: bool
    costs: Mapping[int, Costs]
    site: Site
    machine: Machine
    measured_at: str


def ways_on(site: Site, threads: Sequence[int], largest: int, *, sampler: bool) -> list[Served]:
    """The ways to serve that are worth simulating; the first is litho's default.

    Args:
        site: the machine.
        threads: for which the runner was timed.
        largest: batch that the variants take.
        sampler: whether rows can be made in flight.
    """
    if site.devices:
        counts = [(1, 1)] if sampler else [(2, 1), (1, 1)]
    else:
        counts = [(max(1, site.cores // count), count) for count in threads]
        # Two instances of one graph, and one of a sampler, are the default.
        counts.sort(key=lambda one: one[0] if sampler else -one[0])
    sizes = sorted({largest, min(largest, _SMALL_BATCH)}, reverse=True)
    ways = [
        Served(instances=instances, threads=count, largest=size)
        for size in sizes
        for instances, count in counts
    ]
    if sampler:
        lanes = 1 if site.devices else min(2, site.cores)
        if site.devices or max(1, site.cores // lanes) in threads:
            share = 1 if site.devices else max(1, site.cores // lanes)
            rows = min(16, largest)
            ways.append(Served(batching="in-flight", instances=lanes, threads=share, largest=rows))
    return ways


def highest_rate(model: Model, goal: Goal, requests: int = REQUESTS) -> tuple[float, str]:
    """Requests a second at which the p95 of one machine is in time, or 0, and what it lacks first for more.

    Args:
        model: on one machine.
        goal: bound and kinds of requests.
        requests: of each simulation.
    """
    clients = _AHEAD * model.served.instances * model.served.largest
    busy = Traffic(clients=clients, kinds=goal.kinds)
    full = simulate(model, busy, requests=2 * clients + requests).requests_per_second

    def at(share: float) -> Simulated:
        return simulate(model, Traffic(rate=full * share, kinds=goal.kinds), requests=requests)

    best = at(_LEAST_SHARE)
    if best.quantile(0.95) > goal.p95_ms:
        return 0.0, "a lone request is late"
    low, high = _LEAST_SHARE, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        found = at(middle)
        if found.quantile(0.95) > goal.p95_ms:
            high = middle
        else:
            low, best = middle, found
    busiest = max(("GPU", best.device_utilisation), ("cores", best.utilisation), key=lambda one: one[1])
    return full * low, f"{busiest[0]} {busiest[1]:.0%} busy"


def option_of(model: Model, goal: Goal, per_hour: float | None = None, requests: int = REQUESTS) -> Option:
    """What one way of serving takes for a goal.

    Args:
        model: on one machine.
        goal: what is wanted.
        per_hour: price of a machine; None if it is not known.
        requests: of each simulation.
    """
    highest, limit = highest_rate(model, goal, requests)
    usable = highest * (1 - goal.headroom)
    machines = math.ceil(goal.rate / usable - 1e-9) + goal.spare if highest else None
    rate = goal.rate / machines if machines else 1.0
    found = simulate(model, Traffic(rate=rate, kinds=goal.kinds), requests=2 * requests)
    pictures = goal.rate * Traffic(rate=1.0, kinds=goal.kinds).rows
    return Option(
        served=model.served,
        costs=model.costs,
        highest_rate=highest,
        machines=machines,
        rate=rate,
        p50_ms=found.quantile(0.5),
        p95_ms=found.quantile(0.95),
        p99_ms=found.quantile(0.99),
        utilisation=found.utilisation,
        device_utilisation=found.device_utilisation if model.site.devices else None,
        mean_batch=found.mean_batch,
        cost_per_1000=None if per_hour is None or not machines else per_hour * machines / (pictures * 3.6),
        limit=limit,
    )


def find_plan(
    known: Known,
    goal: Goal,
    *,
    price: str | None = None,
    progress: Progress = quiet,
    requests: int = REQUESTS,
) -> PlanResult:
    """Simulate every way to serve.

    Args:
        known: the generator, its costs, and one machine.
        goal: what is wanted.
        price: as `cost.price_of` takes it; None for none.
        progress: called with the current step and the share that is done, 0 to 1.
        requests: of each simulation.

    Raises:
        UsageError: the price is none.
    """
    priced = None if price is None else price_of(price, known.machine)
    largest = max(next(iter(known.costs.values())).batch_ms)
    ways = ways_on(known.site, sorted(known.costs), largest, sampler=known.sampler)
    options = []
    for number, way in enumerate(ways):
        progress(f"simulating {way.name}", number / len(ways))
        model = Model(known.costs[way.threads], way, known.site)
        options.append(option_of(model, goal, None if priced is None else priced.per_hour, requests))
    return PlanResult(
        bundle=known.bundle,
        variant=known.variant,
        measured_at=known.measured_at,
        machine=known.machine,
        goal=goal,
        site=known.site,
        currency="" if priced is None else priced.currency,
        options=tuple(options),
    )


def compared(plan: PlanResult, result: BenchResult, path: Path) -> PlanResult:
    """The plan with every load of a result of `litho bench` predicted.

    Args:
        plan: whose default way of serving the loads are held against.
        result: of a server of the same variant on a machine of the same kind.
        path: for messages.

    Raises:
        UsageError: the result is of another variant, or of a runner in process.
    """
    if result.kind != "endpoint" or result.variant != plan.variant:
        raise UsageError(
            f"--against was given {path}, a result of {result.variant or result.runner} ({result.kind}); it takes one"
            f" of an endpoint of {plan.variant}"
        )
    default = plan.options[0]
    here = "127.0.0.1" in result.target or "localhost" in result.target
    site = plan.site.model_copy(update={"clients_here": here})
    points = []
    for point in result.counting:
        kinds = tuple(kind.model_copy(update={"rows": point.load.batch}) for kind in plan.goal.kinds)
        rate = point.load.rate
        traffic = Traffic(rate=rate, clients=None if rate else point.load.concurrency, kinds=kinds)
        server, latency = point.server, point.latency
        measured = Figures(
            requests_per_second=point.images_per_second / point.load.batch,
            mean_ms=latency.mean_ms,
            p50_ms=latency.p50_ms,
            p95_ms=latency.p95_ms,
            mean_batch=server.mean_batch if server is not None and server.executions else None,
            utilisation=None,
        )
        points.append(
            Point(
                traffic=traffic,
                requests=sum(window.requests for window in point.windows),
                measured=measured,
                predicted=predicted(Model(default.costs, default.served, site), traffic),
            )
        )
    if not points:
        raise LithoError(f"{path} has no load that counts")
    return plan.model_copy(update={"against": tuple(points)})
