"""How many machines a load takes: every way to serve is simulated up to the rate at which its p95 is still in time."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from ...bundle import Bundle
from ...errors import LithoError, UsageError
from ...reporting.progress import Progress, quiet
from ...signature.fields import Role
from ..load.documents.cost import price_of
from ..load.documents.result import BenchResult
from ..load.measuring.mix import COUNT, Mix
from ..machine import Machine, describe_machine
from .calibration import calibrated, measure_runner, spent_in
from .check import MANY, predicted
from .costs import Costs
from .documents import Figures, Point
from .plan_documents import Goal, Option, PlanResult
from .serving import serving
from .shape import Kind, Served, Site, Traffic
from .simulation import Simulated, simulate

__all__ = [
    "Measuring",
    "compared",
    "find_plan",
    "here",
    "highest_rate",
    "kinds_of",
    "measured_costs",
    "option_of",
    "ways_on",
]

LONE = 1
_AHEAD = 2
"""Full batches of requests for each instance that keep a machine busy."""

_SMALL_BATCH = 8
_HALVINGS = 9
"""Of the search for the highest rate: it ends within 0.2 % of the rate that saturates a machine."""

_SEARCH_REQUESTS, _FINAL_REQUESTS = 5_000, 20_000
_LEAST_SHARE = 1e-3  # of the rate that saturates: a request at such a rate is alone


@dataclass(frozen=True)
class Measuring:
    """What is measured for a plan, and how long.

    Args:
        variant: of the bundle, as `runners.choose_variants` takes it.
        device: "cpu" or "cuda".
        seconds: in all, about, beside the start of the server.
    """

    variant: str | None = None
    device: str = "cpu"
    seconds: float = 20.0


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


def measured_costs(
    bundle: Bundle, kinds: tuple[Kind, ...], measuring: Measuring, progress: Progress = quiet
) -> dict[int, Costs]:
    """Threads of an instance -> costs on this machine, in about `measuring.seconds` and the start of a server.

    Args:
        bundle: to serve.
        kinds: of the requests.
        measuring: what and how long.
        progress: called with the current step and the share that is done, 0 to 1.

    Raises:
        LithoError: the bundle cannot be opened or served here.
    """
    site = here(measuring.device, clients_here=True)
    cores, sampler = site.cores, bundle.manifest.sampler is not None
    threads = [1] if site.devices else sorted({1, max(1, cores // 2), cores})
    share = measuring.seconds / (len(threads) + 1)
    found = {}
    for number, count in enumerate(threads):
        progress(f"timing the runner with {count} threads", number / (len(threads) + 1))
        way = Served(instances=max(1, cores // count) if not site.devices else 1, threads=count)
        found[count] = measure_runner(bundle, measuring.variant, way, measuring.device, share)
    default = ways_on(site, threads, max(found[1].batch_ms), sampler=sampler)[0]
    progress("measuring the server", len(threads) / (len(threads) + 1))
    with serving(bundle, measuring.variant, [default], kinds, measuring.device) as (model,):
        windows = {}
        for clients in (LONE, MANY):
            measured = model.take(Traffic(clients=clients, kinds=kinds), share / 2)
            windows[clients] = spent_in(measured)
    base = calibrated(found[default.threads], default, site, windows, kinds)
    kept = {"overhead": base.overhead, "spread": base.spread, "patience": base.patience}
    return {count: costs.scaled(base.factor).model_copy(update=kept) for count, costs in found.items()}


def here(device: str, *, clients_here: bool = False) -> Site:
    """This machine.

    Args:
        device: "cpu" or "cuda".
        clients_here: whether the load generator shares its cores.
    """
    cores = len(os.sched_getaffinity(0))
    devices = 0 if device == "cpu" else max(1, len(describe_machine().gpus))
    return Site(cores=cores, devices=devices, clients_here=clients_here)


def highest_rate(costs: Costs, served: Served, site: Site, goal: Goal) -> float:
    """Requests a second at which the p95 of one machine is in time; 0 if it never is.

    Args:
        costs: of the machine.
        served: how.
        site: the machine.
        goal: bound and kinds of requests.
    """
    run = partial(simulate, costs, served, site, requests=_SEARCH_REQUESTS)
    clients = _AHEAD * served.instances * served.largest
    full = run(Traffic(clients=clients, kinds=goal.kinds)).requests_per_second

    def late(share: float) -> bool:
        found = run(Traffic(rate=full * share, kinds=goal.kinds))
        return found.quantile(0.95) > goal.p95_ms

    if late(_LEAST_SHARE):
        return 0.0
    low, high = _LEAST_SHARE, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if late(middle) else (middle, high)
    return full * low


def option_of(costs: Costs, served: Served, site: Site, goal: Goal, per_hour: float | None = None) -> Option:
    """What one way of serving takes for a goal.

    Args:
        costs: of the machine.
        served: how.
        site: the machine.
        goal: what is wanted.
        per_hour: price of a machine; None if it is not known.
    """
    highest = highest_rate(costs, served, site, goal)
    machines = math.ceil(goal.rate / highest - 1e-9) + goal.spare if highest else None
    rate = goal.rate / machines if machines else _LEAST_SHARE
    found = simulate(costs, served, site, Traffic(rate=rate, kinds=goal.kinds), requests=_FINAL_REQUESTS)
    pictures = goal.rate * Traffic(rate=1.0, kinds=goal.kinds).rows
    return Option(
        served=served,
        costs=costs,
        highest_rate=highest,
        machines=machines,
        rate=rate,
        p50_ms=found.quantile(0.5),
        p95_ms=found.quantile(0.95),
        p99_ms=found.quantile(0.99),
        utilisation=found.utilisation,
        device_utilisation=found.device_utilisation if site.devices else None,
        mean_batch=found.mean_batch,
        cost_per_1000=None if per_hour is None or not machines else per_hour * machines / (pictures * 3.6),
        limit=_limit(costs, served, site, goal, highest),
    )


def _limit(costs: Costs, served: Served, site: Site, goal: Goal, highest: float) -> str:
    """What one machine lacks first for a higher rate."""
    if not highest:
        return "a lone request takes longer than the bound"
    found: Simulated = simulate(
        costs, served, site, Traffic(rate=highest, kinds=goal.kinds), requests=_SEARCH_REQUESTS
    )
    busiest = max(("GPU", found.device_utilisation), ("cores", found.utilisation), key=lambda one: one[1])
    return f"{busiest[0]} at {busiest[1]:.0%}"


def find_plan(
    name: str,
    variant: str,
    costs: Mapping[int, Costs],
    goal: Goal,
    site: Site,
    *,
    machine: Machine,
    sampler: bool,
    price: str | None = None,
    progress: Progress = quiet,
) -> PlanResult:
    """Simulate every way to serve, and choose the one with the fewest machines.

    Args:
        name: of the bundle.
        variant: that the costs are of.
        costs: threads -> costs.
        goal: what is wanted.
        site: one machine.
        machine: on which the costs were measured.
        sampler: whether rows can be made in flight.
        price: as `cost.price_of` takes it; None for none.
        progress: called with the current step and the share that is done, 0 to 1.
    """
    priced = None if price is None else price_of(price, machine)
    largest = max(next(iter(costs.values())).batch_ms)
    ways = ways_on(site, sorted(costs), largest, sampler=sampler)
    options = []
    for number, way in enumerate(ways):
        progress(f"simulating {way.name}", number / len(ways))
        options.append(
            option_of(costs[way.threads], way, site, goal, None if priced is None else priced.per_hour)
        )
    return PlanResult(
        bundle=name,
        variant=variant,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        goal=goal,
        site=site,
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
        load = {"rate": point.load.rate} if point.load.rate else {"clients": point.load.concurrency}
        traffic = Traffic(**load, kinds=kinds)
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
                predicted=predicted(default.costs, default.served, site, traffic),
            )
        )
    if not points:
        raise LithoError(f"{path} has no load that counts")
    return plan.model_copy(update={"against": tuple(points)})


def kinds_of(bundle: Bundle, mix: str | None) -> tuple[Kind, ...]:
    """The kinds of requests that a mix describes; without one, a picture with the usual steps.

    Args:
        bundle: that makes them.
        mix: as `--mix` of `litho bench` takes it, of which only pictures and steps change what a request costs.

    Raises:
        UsageError: the mix is none, or the generator does not take it.
    """
    field = next((one for one in bundle.manifest.signature.inputs if one.role is Role.STEPS), None)
    usual = 1 if field is None else int(field.default or field.maximum or 1)
    if mix is None:
        return (Kind(steps=usual),)
    parsed = Mix.parse(mix)
    parsed.draw(
        bundle.manifest.signature, len(parsed.kinds), 1, np.random.default_rng(0)
    )  # checks the values
    found = []
    for given, weight in zip(parsed.kinds, parsed.weights, strict=True):
        steps = usual if field is None else int(given.get(field.name, usual))
        found.append(Kind(rows=int(given.get(COUNT, 1)), steps=steps, weight=weight))
    return tuple(found)
