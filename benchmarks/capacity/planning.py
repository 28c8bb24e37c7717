"""`litho bench plan`: costs measured or read, the plan made of them, and its tables."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ...bundle import Bundle
from ...errors import LithoError, UsageError
from ...reporting.progress import Progress, quiet
from ...runners import choose_variants
from ..load.documents.cost import price_of
from ..load.documents.result import read_result
from ..shared.environment import utc_now
from ..shared.machine import describe_machine
from .documents import ERROR, RESULT, read_capacity
from .measuring import Measuring, here, kinds_of, measured_costs
from .plan import REQUESTS, Known, compared, find_plan
from .plan_documents import Goal, PlanResult, read_plan
from .shape import Kind

__all__ = ["Planned", "against_table", "lines", "plan_for", "table"]


@dataclass(frozen=True)
class Planned:
    """What a plan is made from.

    Args:
        variant: of the bundle, as `runners.choose_variants` takes it.
        device: "cpu" or "cuda".
        mix: kinds of requests, as `litho bench` takes them.
        price: of an hour of a machine, or a table of prices.
        cores: of a planned machine; None for those of the measured one.
        costs: an earlier plan, whose costs are used.
        against: a result of `litho bench` to predict.
    """

    variant: str | None = None
    device: str = "cpu"
    mix: str | None = None
    price: str | None = None
    cores: int | None = None
    costs: Path | None = None
    against: Path | None = None


def plan_for(
    path: Path,
    goal: Goal,
    planned: Planned,
    *,
    seconds: float = 20.0,
    requests: int = REQUESTS,
    progress: Progress = quiet,
) -> PlanResult:
    """Plan the machines for a bundle.

    Args:
        path: of the bundle.
        goal: what is wanted; its kinds are those of `planned.mix`.
        planned: what the plan is made from.
        seconds: of the measurement of costs.
        requests: of each simulation.
        progress: called with the current step and the share that is done, 0 to 1.

    Raises:
        UsageError: the costs or the result are of another generator, or a value is not allowed.
        LithoError: the bundle cannot be opened or served here.
    """
    bundle = Bundle.load(path)
    kinds = kinds_of(bundle, planned.mix)
    names = ",".join(variant.name for variant in choose_variants(bundle, planned.variant))
    result = None if planned.against is None else read_result(_bench_file(planned.against))
    known = (
        _measured(bundle, names, kinds, planned, seconds, progress)
        if planned.costs is None
        else _read(bundle, names, planned)
    )
    if planned.cores is not None:
        known = replace(known, site=known.site.model_copy(update={"cores": planned.cores}))
    goal = goal.model_copy(update={"kinds": kinds})
    found = find_plan(known, goal, price=planned.price, progress=progress, requests=requests)
    return found if result is None else compared(found, result, planned.against or Path())


def _measured(
    bundle: Bundle, names: str, kinds: tuple[Kind, ...], planned: Planned, seconds: float, progress: Progress
) -> Known:
    machine = describe_machine()
    if planned.price is not None:
        price_of(planned.price, machine)  # refused before the measurement
    # By name: what is deployed without one may be another variant than a runner opens.
    measuring = Measuring(names, planned.device, seconds)
    return Known(
        bundle=bundle.manifest.name,
        variant=names,
        sampler=bundle.manifest.sampler is not None,
        costs=measured_costs(bundle, kinds, measuring, progress),
        site=here(planned.device),
        machine=machine,
        measured_at=utc_now(),
    )


def _read(bundle: Bundle, names: str, planned: Planned) -> Known:
    assert planned.costs is not None, "the caller looked"
    earlier, name = read_plan(planned.costs), bundle.manifest.name
    if earlier.bundle != name or (planned.variant and earlier.variant != names):
        raise UsageError(
            f"--costs was given {planned.costs}, which has the costs of {earlier.bundle} ({earlier.variant});"
            f" this is {name} ({names}): leave --costs out to measure it"
        )
    return Known(
        bundle=name,
        variant=earlier.variant,
        sampler=bundle.manifest.sampler is not None,
        costs=earlier.costs,
        site=earlier.site,
        machine=earlier.machine,
        measured_at=earlier.measured_at,
    )


def _bench_file(path: Path) -> Path:
    return path / "bench.json" if path.is_dir() else path


def table(found: PlanResult) -> tuple[list[str], list[list[str]]]:
    """Headings and rows: a way to serve each, the chosen one first."""
    priced = any(option.cost_per_1000 is not None for option in found.options)
    headings = ["served", "machines", "requests/s of one", "p50 ms", "p95 ms", "busy", "batch"]
    headings = [headings[0], *(f"{each}|right" for each in headings[1:]), "limit"]
    rows = []
    best = found.best
    for option in sorted(found.options, key=lambda one: (one is not best, -one.highest_rate)):
        busy = option.utilisation if option.device_utilisation is None else option.device_utilisation
        row = [
            option.served.name,
            "-" if option.machines is None else f"{option.machines:,}",
            f"{option.highest_rate:,.4g}",
            f"{option.p50_ms:.3g}",
            f"{option.p95_ms:.3g}",
            f"{busy:.0%}",
            f"{option.mean_batch:.2f}",
            option.limit,
        ]
        if priced:
            row.append("-" if option.cost_per_1000 is None else f"{option.cost_per_1000:.3g}")
        rows.append(row)
    if priced:
        headings.append(f"1,000 pictures{f', {found.currency}' if found.currency else ''}|right")
    return headings, rows


def against_table(found: PlanResult) -> tuple[list[str], list[list[str]]]:
    """Headings and rows: a load of a measured result each, predicted and measured."""
    rows = []
    for point in found.against:
        row = [point.traffic.name]
        for name in ("requests_per_second", "p50_ms", "p95_ms"):
            predicted, measured = getattr(point.predicted, name), getattr(point.measured, name)
            both = predicted is not None and measured is not None
            row.append(f"{predicted:,.4g} / {measured:,.4g}" if both else "-")
        worst = max((abs(error) for error in point.errors.values()), default=0.0)
        rows.append([*row, f"{worst:.0%}"])
    return ["load", "requests/s|right", "p50 ms|right", "p95 ms|right", "largest error|right"], rows


def lines(found: PlanResult) -> list[str]:
    """What the figures hold for."""
    measured = found.machine
    said = [
        f"Costs measured on {measured.said}, {found.measured_at[:10]};"
        " p95 is the server's, without the network."
    ]
    with suppress(LithoError):
        checked = read_capacity(RESULT)
        said.append(f"How right such predictions were on {checked.machine.processor}: {checked.sentence}.")
    if found.site.cores != measured.cores:
        said.append(
            f"Extrapolated: a machine of {found.site.cores} cores was not measured, and memory is shared by more."
        )
    if found.against:
        errors = [abs(error) for point in found.against for error in point.errors.values()]
        right = sum(error <= ERROR for error in errors)
        said.append(f"Predicted / measured: {right} of {len(errors)} figures within {ERROR:.0%}.")
    return said
