"""Predictions against a live server: the same loads are simulated and measured."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ...bundle import Bundle
from ...errors import UsageError
from ...reporting.progress import Progress, quiet
from ...serving.in_flight.batching import STEPS
from ..load.documents.measurement import Measurement
from ..shared.command import Output, errors_of, finish, show_progress
from ..shared.cores import Cores, cores_of, only_on
from ..shared.environment import utc_now
from ..shared.machine import describe_machine
from .calibration import LONE, MANY, extra_of, fits_of, measured_site, single_of, take
from .costs import Costs
from .documents import (
    DISTURBED,
    ERROR,
    FEWEST_WINDOWS,
    RESULT,
    CapacityResult,
    Checked,
    Figures,
    Point,
    Reach,
    read_capacity,
    rows,
)
from .others import Others
from .plan import highest_rate
from .plan_documents import Goal
from .prediction import predicted
from .recorded import Recording, Replayed, recorded
from .serving import Endpoint, Gapped, InTurn, Measured, serving
from .shape import Kind, Served, Site, Traffic
from .simulation import Model
from .timing import measure_runner

__all__ = ["Effort", "check_capacity", "figures_of", "main", "predicted_again", "ways_of"]

_CLOSED, _OPEN = (2, 4, 8, 16), (0.3, 0.5, 0.7, 0.8)
_FEW_CLOSED, _FEW_OPEN = (8,), (0.5, 0.8)
_BOUND_MS, _SAMPLER_BOUND_MS = 50.0, 2000.0
"""Bound on the p95 within which one machine serves, of one graph and of a sampler."""

_SAMPLER_WINDOWS = 2.5
"""Windows of a sampler are so many times as long: it makes few pictures a second."""

_AGAIN = 2  # times that a window is measured again at most


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Args:
        seconds: of each window, of a generator of one graph.
        rounds: windows of each load, at most; each round has all loads in an order of its own.
        minutes: after which no further round begins, shared by the bundles; three are measured in any case.
        runner_seconds: of the measurement of a runner with one number of threads.
        ways: most ways to serve a bundle that are checked.
        until: of `time.perf_counter`, when the minutes of a bundle are over.
    """

    seconds: float = 2.0
    rounds: int = 9
    minutes: float = 20.0
    runner_seconds: float = 6.0
    ways: int = 4
    until: float = math.inf


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
    begun, windows, apart = time.perf_counter(), _Windows(), cores_of(share=False)
    checked, recordings = list[Checked](), list[Recording]()
    for number, path in enumerate(bundles):
        share = number / len(bundles)
        bundle = Bundle.load(path)

        def step(text: str, done: float, *, name: str = bundle.manifest.name, start: float = share) -> None:
            progress(f"{name}: {text}", start + done / len(bundles))

        until = begun + effort.minutes * 60 * (number + 1) / len(bundles)
        found, recording = _check_bundle(bundle, replace(effort, until=until), apart, windows, step)
        checked += found
        recordings.append(recording)
    progress("finding what one machine serves", 1.0)
    return CapacityResult(
        command=command,
        measured_at=utc_now(),
        seconds=time.perf_counter() - begun,
        machine=describe_machine(),
        site=measured_site(apart),
        apart=apart,
        others=float(np.mean(windows.others)),
        repeated=windows.repeated,
        disturbed=windows.disturbed,
        checked=tuple(checked),
        reach=tuple(_reach(one, measured_site(apart)) for one in checked),
        recordings=tuple(recordings),
    )


def predicted_again(result: CapacityResult) -> CapacityResult:
    """The same measurement with the costs and predictions of this release.

    Raises:
        UsageError: an older release measured it, and did not keep what that takes.
    """
    if not result.recordings:
        raise UsageError("the document keeps no windows to predict again; measure anew")
    checked = list[Checked]()
    for recording in result.recordings:
        models = [Replayed(recording, number) for number in range(len(recording.ways))]
        _, found = fits_of(recording.ways, models, recording.runner, result.site, recording.kinds)
        old = [one for one in result.checked if one.generator == recording.generator]
        for one, model, costs in zip(old, models, found, strict=True):
            whole = Model(costs, one.served, result.site)
            points = [
                point.model_copy(
                    update={"predicted": predicted(whole, point.traffic, model.windows(point.traffic))}
                )
                for point in one.points
            ]
            checked.append(one.model_copy(update={"costs": costs, "points": tuple(points)}))
    return result.model_copy(
        update={
            "checked": tuple(checked),
            "reach": tuple(_reach(one, result.site) for one in checked),
        }
    )


def _reach(checked: Checked, site: Site) -> Reach:
    bound = _SAMPLER_BOUND_MS if checked.costs.step_ms else _BOUND_MS
    alone = Site(cores=site.cores)
    goal = Goal(rate=1.0, p95_ms=bound, kinds=checked.kinds)
    rate, limit = highest_rate(Model(checked.costs, checked.served, alone), goal)
    return Reach(
        generator=checked.generator, served=checked.served, p95_ms=bound, highest_rate=rate, limit=limit
    )


@dataclass
class _Windows:
    """Windows that were measured.

    Args:
        others: share of the machine that others used, of each window that counts.
        repeated: that were measured again.
        disturbed: that count although others used too much.
    """

    others: list[float] = field(default_factory=list)
    repeated: int = 0
    disturbed: int = 0


def _check_bundle(
    bundle: Bundle, effort: Effort, apart: Cores | None, windows: _Windows, progress: Progress
) -> tuple[list[Checked], Recording]:
    """Check every way to serve a bundle, and record it; `windows` gets those that this takes."""
    sampler = bundle.manifest.sampler is not None
    site = measured_site(apart)
    kinds = tuple(Kind(steps=steps) for steps in STEPS) if sampler else (Kind(),)
    ways = ways_of(sampler, site.cores)[: effort.ways]
    with ExitStack() as stack:
        with only_on(apart and apart.server):
            models = stack.enter_context(serving(bundle, None, ways, kinds))
        costs = _timed(bundle, models[0].variant, ways, effort, apart, progress)
        with only_on(apart and apart.clients):
            loads = _measure(ways, models, kinds, effort, windows, progress)
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
    return checked, recorded(bundle.manifest.name, ways, models, costs, kinds)


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
    windows: _Windows,
    progress: Progress,
) -> list[list[Traffic]]:
    """Measure all loads in rounds; the loads of each model."""
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
    jobs = [(number, one) for number in range(len(ways)) for one in (*extra[number], *loads[number])]
    random = np.random.default_rng(0)
    for turn in range(effort.rounds):
        if turn >= FEWEST_WINDOWS and time.perf_counter() > effort.until:
            break
        # No load always follows the same one, or comes at the same time of a machine that slows down.
        for done, position in enumerate(random.permutation(len(jobs))):
            number, traffic = jobs[position]
            progress(f"round {turn + 1}, {ways[number].name}", (turn + done / len(jobs)) / effort.rounds)
            _take_quietly(models[number], traffic, seconds, effort.until, windows)
    return loads


def _take_quietly(
    model: Endpoint,
    traffic: Traffic | Gapped | InTurn,
    seconds: float,
    until: float,
    windows: _Windows,
) -> None:
    """Measure a window, and again where others used too much of the machine and there is time."""
    for left in reversed(range(_AGAIN + 1)):
        others = Others(model.process_id)
        take(model, traffic, seconds)
        share = others.share()
        if share <= DISTURBED or not left or time.perf_counter() > until:
            windows.others.append(share)
            windows.disturbed += share > DISTURBED
            return
        model.forget_last(traffic)
        windows.repeated += 1


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
    windows = tuple(figures_of(part, model.site) for part in measured.parts)
    latencies_ms = [part.latencies_ms for part in measured.parts]
    return Point(
        traffic=traffic,
        requests=sum(part.requests for part in measured.parts),
        fits=fits,
        measured=Figures.together(windows, np.concatenate(latencies_ms)),
        predicted=predicted(model, traffic, measured.windows),
        interval=Figures.interval(windows, latencies_ms),
        windows=windows,
    )


def figures_of(part: Measurement, site: Site) -> Figures:
    """The figures of a measured window.

    Args:
        part: the window.
        site: where it was measured.
    """
    used, counted, spent_ms = part.resources, part.server, dict[str, float]()
    if used is not None:
        processes = {"client_ms": used.client, "server_ms": used.server, "instances_ms": used.stubs}
        scale = 1e3 / part.requests * part.seconds / used.seconds
        spent_ms = {name: one.cpu_seconds * scale for name, one in processes.items() if one is not None}
    here = [ms for name, ms in spent_ms.items() if name != "client_ms" or site.clients_here]
    found = Figures.of(
        part.latencies_ms,
        part.requests / part.seconds,
        counted.mean_batch if counted is not None and counted.executions else None,
        sum(here) * part.requests / (part.seconds * 1e3 * site.cores),
    )
    return found.model_copy(update=spent_ms)


def main(
    bundles: Annotated[list[Path] | None, typer.Argument(help="Bundles.", show_default=False)] = None,
    seconds: Annotated[
        float, typer.Option(help="Of each window; 2.5 times as long for a sampler.", min=0.1)
    ] = 2.0,
    rounds: Annotated[int, typer.Option(help="Windows of each load, at most.", min=1)] = 9,
    minutes: Annotated[
        float, typer.Option(help="After which no further round begins; there are three at least.", min=0)
    ] = 20.0,
    again: Annotated[
        Path | None,
        typer.Option("--from", help="An earlier result: predict its loads again, measure nothing."),
    ] = None,
    output: Output = RESULT,
) -> None:
    """Predict loads from measured costs, and measure the same loads on a live server."""
    with errors_of("capacity", output):
        if (again is None) == (not bundles):
            raise UsageError("name bundles to measure, or --from with an earlier result")
        names = " ".join(bundle.name for bundle in bundles or ())
        result = (
            predicted_again(read_capacity(again))
            if again is not None
            else check_capacity(
                bundles or [],
                Effort(seconds, rounds, minutes),
                f"python -m litho.benchmarks.capacity {names}"
                f" --seconds {seconds:g} --rounds {rounds} --minutes {minutes:g}",
                show_progress,
            )
        )
    finish(output, result, rows(result))
    typer.echo(f"{result.sentence[0].upper()}{result.sentence[1:]} (within {ERROR:.0%} is right).")
