"""Predictions against a live server: the same loads are simulated and measured."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ...bundle import Bundle
from ...extras import require
from ...reporting.markdown import markdown_table
from ...reporting.progress import Progress, quiet
from ...serving.in_flight.batching import STEPS
from ..load.documents.measurement import Measurement
from ..shared.command import errors_of, write_document
from ..shared.cores import Cores, cores_of, only_on
from ..shared.machine import describe_machine
from .calibration import LONE, MANY, extra_of, fits_of, measured_site, single_of, take
from .costs import Costs
from .documents import ERROR, RESULT, CapacityResult, Checked, Figures, Point, Reach
from .plan import highest_rate
from .plan_documents import Goal
from .prediction import predicted
from .serving import Endpoint, Gapped, InTurn, Measured, serving
from .shape import Kind, Served, Site, Traffic
from .simulation import Model
from .timing import measure_runner

__all__ = ["Effort", "check_bundle", "check_capacity", "figures_of", "main", "rows", "ways_of"]

_CLOSED, _OPEN = (2, 4, 8, 16), (0.3, 0.5, 0.7, 0.8)
_FEW_CLOSED, _FEW_OPEN = (8,), (0.5, 0.8)
_BOUND_MS, _SAMPLER_BOUND_MS = 50.0, 2000.0
"""On the p95, for what one machine serves."""

_SAMPLER_WINDOWS = 5.0
"""Windows of a sampler are so many times as long: it makes few pictures a second."""


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Args:
        seconds: of each window, of a generator of one graph.
        rounds: windows of each load, in turns.
        runner_seconds: of the measurement of a runner with one number of threads.
        ways: most ways to serve a bundle that are checked.
    """

    seconds: float = 1.0
    rounds: int = 5
    runner_seconds: float = 6.0
    ways: int = 4


def ways_of(sampler: bool, cores: int) -> list[Served]:
    """Ways to serve a generator; the costs come from the first of each form."""
    share = max(1, cores // 2)
    if sampler:
        return [
            Served(instances=1, threads=cores),
            Served(batching="in-flight", instances=2, threads=share, largest=16),
        ]
    return [
        Served(instances=2, threads=share),
        Served(instances=1, threads=cores),
        Served(instances=2, threads=share, largest=8),
        Served(instances=2, threads=share, preferred=(32,), delay_ms=5.0),
    ]


def check_capacity(
    bundles: Sequence[Path], effort: Effort, command: str, progress: Progress = quiet
) -> CapacityResult:
    """Check every bundle.

    Args:
        bundles: folders.
        effort: how much to measure.
        command: that the document names.
        progress: called with the current step and the share that is done, 0 to 1.

    Raises:
        LithoError: a bundle cannot be opened or served.
    """
    begun, others, apart = time.perf_counter(), list[float](), cores_of(share=False)
    checked = list[Checked]()
    for number, path in enumerate(bundles):
        share = number / len(bundles)
        bundle = Bundle.load(path)

        def step(text: str, done: float, *, name: str = bundle.manifest.name, start: float = share) -> None:
            progress(f"{name}: {text}", start + done / len(bundles))

        found, used = check_bundle(bundle, effort, apart, step)
        checked += found
        others.append(used)
    progress("finding what one machine serves", 1.0)
    return CapacityResult(
        command=command,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.perf_counter() - begun,
        machine=describe_machine(),
        site=measured_site(apart),
        apart=apart,
        others=float(np.mean(others)),
        checked=tuple(checked),
        reach=tuple(_reach(one, measured_site(apart)) for one in checked),
    )


def _reach(checked: Checked, site: Site) -> Reach:
    bound = _SAMPLER_BOUND_MS if checked.costs.step_ms else _BOUND_MS
    alone = Site(cores=site.cores)
    goal = Goal(rate=1.0, p95_ms=bound, kinds=checked.kinds)
    rate, limit = highest_rate(Model(checked.costs, checked.served, alone), goal)
    return Reach(
        generator=checked.generator, served=checked.served, p95_ms=bound, highest_rate=rate, limit=limit
    )


class _Others:
    """What other programs use: what the machine is busy with, less this process, its load generators and the server.

    Args:
        server: id of its process, which runs on until `share` was asked for.
    """

    def __init__(self, server: int) -> None:
        self._psutil = require("psutil", "bench")
        self._server = server
        self._machine, self._own = self._busy(), self._mine()
        self._start = time.perf_counter()

    def share(self) -> float:
        """Of the machine since the start, 0 to 1."""
        taken = (time.perf_counter() - self._start) * (os.cpu_count() or 1)
        return max(0.0, (self._busy() - self._machine - (self._mine() - self._own)) / taken)

    def _busy(self) -> float:
        times = self._psutil.cpu_times()
        return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)

    def _mine(self) -> float:
        own = os.times()
        server = self._psutil.Process(self._server)
        # The instances are children of the server, which has not waited for them yet.
        tree = [one.cpu_times() for one in (server, *server.children(recursive=True))]
        return (
            own.user
            + own.system
            + own.children_user
            + own.children_system
            + sum(used.user + used.system for used in tree)
        )


def check_bundle(
    bundle: Bundle, effort: Effort, apart: Cores | None, progress: Progress = quiet
) -> tuple[list[Checked], float]:
    """Check every way to serve a bundle; also the share of the machine that other programs used meanwhile.

    Args:
        bundle: to serve.
        effort: how much to measure.
        apart: cores of the server and of the load generator; None for one core, which they share.
        progress: called with the current step and the share that is done, 0 to 1.

    Raises:
        LithoError: it cannot be served.
    """
    sampler = bundle.manifest.sampler is not None
    site = measured_site(apart)
    kinds = tuple(Kind(steps=steps) for steps in STEPS) if sampler else (Kind(),)
    ways = ways_of(sampler, site.cores)[: effort.ways]
    with ExitStack() as stack:
        with only_on(apart and apart.server):
            models = stack.enter_context(serving(bundle, None, ways, kinds))
        costs = _timed(bundle, models[0].variant, ways, effort, apart, progress)
        others = _Others(models[0].process_id)
        with only_on(apart and apart.clients):
            loads = _measure(ways, models, kinds, effort, progress)
        used = others.share()
    progress("finding the costs", 1.0)
    fits, found = fits_of(ways, models, costs, site, kinds)
    checked = [
        Checked(
            generator=bundle.manifest.name,
            variant=model.variant,
            served=way,
            kinds=kinds,
            costs=found[number],
            points=tuple(
                _point(
                    Model(found[number], way, site), one, model.measured(one), (number, one.clients) in fits
                )
                for one in loads[number]
            ),
        )
        for number, (way, model) in enumerate(zip(ways, models, strict=True))
    ]
    return checked, used


def _timed(
    bundle: Bundle,
    variant: str,
    ways: Sequence[Served],
    effort: Effort,
    apart: Cores | None,
    progress: Progress,
) -> dict[int, Costs]:
    """Threads -> costs of the served variant's runner on the cores of the server, which is idle meanwhile."""
    costs = dict[int, Costs]()
    with only_on(apart and apart.server):
        for way in ways:
            if way.threads not in costs:
                progress(f"timing the runner with {way.threads} threads", 0.0)
                costs[way.threads] = measure_runner(bundle, variant, way, "cpu", effort.runner_seconds)
    return costs


def _measure(
    ways: Sequence[Served],
    models: Sequence[Endpoint],
    kinds: tuple[Kind, ...],
    effort: Effort,
    progress: Progress,
) -> list[list[Traffic]]:
    """Measure all loads in turns; the loads of each model."""
    sampler = len(kinds) > 1
    seconds = effort.seconds * (_SAMPLER_WINDOWS if sampler else 1)
    loads, extra = [], list[tuple[Traffic | Gapped | InTurn, ...]]()
    for number, model in enumerate(models):
        progress("finding the highest rate", 0.0)
        loads.append(_loads(model, kinds, seconds, many=not (sampler or number)))
        extra.append(())
        if model.plain and number == (single_of(ways) or 0):
            extra[number] = extra_of(model, ways[number], seconds)
        model.forget()
    for turn in range(effort.rounds):
        for number, (way, model) in enumerate(zip(ways, models, strict=True)):
            progress(way.name, (turn + number / len(ways)) / effort.rounds)
            # Back and forth: what slows down over time meets all loads alike.
            for traffic in (*extra[number], *loads[number][:: -1 if turn % 2 else 1]):
                take(model, traffic, seconds)
    return loads


def _loads(model: Endpoint, kinds: tuple[Kind, ...], seconds: float, *, many: bool) -> list[Traffic]:
    full = take(model, Traffic(clients=MANY, kinds=kinds), seconds)
    highest = full.requests / full.seconds
    clients = (LONE, MANY, *(_CLOSED if many else _FEW_CLOSED))
    rates = [float(f"{highest * share:.3g}") for share in (_OPEN if many else _FEW_OPEN)]
    return [
        *(Traffic(clients=count, kinds=kinds) for count in clients),
        *(Traffic(rate=rate, kinds=kinds) for rate in rates),
    ]


def _point(model: Model, traffic: Traffic, measured: Measured, fits: bool) -> Point:
    halves = (measured.parts[::2], measured.parts[1::2]) if len(measured.parts) > 1 else ()
    return Point(
        traffic=traffic,
        requests=sum(part.requests for part in measured.parts),
        fits=fits,
        measured=figures_of(measured.parts, model.site),
        predicted=predicted(model, traffic, measured),
        halves=tuple(figures_of(half, model.site) for half in halves),
    )


def figures_of(parts: Sequence[Measurement], site: Site) -> Figures:
    """The figures of measured windows of one load.

    Args:
        parts: windows.
        site: where they were measured.
    """
    figures = []
    for part in parts:
        used, counted = part.resources, part.server
        processes = (
            () if used is None else (used.server, used.stubs, used.client if site.clients_here else None)
        )
        cpu_seconds = sum(one.cpu_seconds for one in processes if one is not None)
        batch = counted.mean_batch if counted is not None and counted.executions else None
        busy = cpu_seconds / (part.seconds * site.cores)
        figures.append(Figures.of(part.latencies_ms, part.requests / part.seconds, batch, busy))
    return Figures.together(figures, np.concatenate([part.latencies_ms for part in parts]))


def rows(result: CapacityResult) -> list[str]:
    """A table in Markdown, one line for each load: predicted / measured, largest error, distance of halves."""
    table = []
    for one in result.checked:
        for point in one.points:
            wrong = max(map(abs, point.errors.values()))
            apart = max(map(abs, point.repeats.values()), default=None)
            table.append(
                (
                    one.generator,
                    one.served.name,
                    point.traffic.name,
                    *(
                        _pair(getattr(point.predicted, name), getattr(point.measured, name))
                        for name in ("requests_per_second", "p50_ms", "p95_ms")
                    ),
                    "(costs)" if point.fits else f"{wrong:.0%}",
                    "-" if apart is None else f"{apart:.0%}",
                )
            )
    figures = ("requests/s", "p50, ms", "p95, ms", "error", "repeats")
    return markdown_table(("generator", "served", "load", *figures), table)


def _pair(predicted: float | None, measured: float | None) -> str:
    return "-" if predicted is None or measured is None else f"{predicted:,.4g} / {measured:,.4g}"


def main(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles.", show_default=False)],
    seconds: Annotated[
        float, typer.Option(help="Of each window; five times as long for a sampler.", min=0.1)
    ] = 1.0,
    rounds: Annotated[int, typer.Option(help="Windows of each load, in turns.", min=1)] = 5,
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULT,
) -> None:
    """Predict loads from measured costs, and measure the same loads on a live server."""
    with errors_of("capacity"):
        names = " ".join(bundle.name for bundle in bundles)
        result = check_capacity(
            bundles,
            Effort(seconds, rounds),
            f"python -m litho.benchmarks.capacity {names} --seconds {seconds:g} --rounds {rounds}",
            lambda step, share: typer.echo(f"{step} {share:.0%}", err=True),
        )
    write_document(output, result)
    typer.echo("\n".join(rows(result)))
    typer.echo(f"{result.sentence[0].upper()}{result.sentence[1:]} (within {ERROR:.0%} is right).")
