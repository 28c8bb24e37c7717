"""What `litho bench plan` finds: a goal, ways to reach it, and what each takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field as Constraint

from ...bundle.json_documents import Document, read_as
from ..shared.machine import Machine
from .costs import Costs
from .documents import Point
from .shape import Kind, Served, Site

__all__ = ["PLAN_NAME", "Goal", "Option", "PlanResult", "read_plan"]

SCHEMA_VERSION = 1
PLAN_NAME = "plan.json"

_Positive = Annotated[float, Constraint(gt=0, allow_inf_nan=False)]


class Goal(Document):
    """What is wanted.

    Args:
        rate: requests a second of all machines together.
        p95_ms: bound on the 95th percentile of latency at the server, in milliseconds.
        kinds: of the requests.
        headroom: share of the highest rate of a machine that stays unused, for what no average knows.
        spare: machines beside those that the load takes.
    """

    rate: _Positive
    p95_ms: _Positive
    kinds: Annotated[tuple[Kind, ...], Constraint(min_length=1)] = (Kind(),)
    headroom: Annotated[float, Constraint(ge=0, lt=1)] = 0.2
    spare: Annotated[int, Constraint(ge=0)] = 0


class Option(Document):
    """One way to serve, and what it takes.

    Args:
        served: how.
        costs: by which it was simulated.
        highest_rate: requests a second of one machine at which the p95 is in time; 0 if it never is.
        machines: that the goal takes, spare ones included; None if no number of them will do.
        rate: requests a second of each of these.
        p50_ms, p95_ms, p99_ms: of latency at that rate, in milliseconds.
        utilisation, device_utilisation: share of the cores and of the GPUs that is busy then; None without GPUs.
        mean_batch: rows of a batch, or of a step in flight.
        cost_per_1000: pictures; None without a price.
        limit: what one machine lacks first.
    """

    served: Served
    costs: Costs
    highest_rate: float
    machines: int | None
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    utilisation: float
    device_utilisation: float | None = None
    mean_batch: float
    cost_per_1000: float | None = None
    limit: str


class PlanResult(Document):
    """A plan; `plan.json`.

    Args:
        schema_version: of this document.
        bundle, variant: whose pictures are planned for.
        measured_at: ISO 8601, UTC.
        machine: on which the costs were measured.
        goal: what is wanted.
        site: one of the planned machines; with other cores than `machine` it is an extrapolation.
        currency: of the costs; empty if it was not said.
        options: ways to serve, litho's default first.
        against: loads of a measured result, with what the default would make of them.
    """

    schema_version: Literal[1] = 1
    bundle: str
    variant: str
    measured_at: str
    machine: Machine
    goal: Goal
    site: Site
    currency: str = ""
    options: Annotated[tuple[Option, ...], Constraint(min_length=1)]
    against: tuple[Point, ...] = ()

    @property
    def best(self) -> Option | None:
        """The option with the fewest machines, and of these the one that could serve most; None if none will do."""
        reached = [option for option in self.options if option.machines is not None]
        return min(reached, key=lambda one: (one.machines, -one.highest_rate), default=None)

    @property
    def costs(self) -> dict[int, Costs]:
        """Threads -> costs."""
        return {option.costs.threads: option.costs for option in self.options}

    @property
    def sentence(self) -> str:
        """The answer in one line."""
        goal, best = self.goal, self.best
        wanted = f"{goal.rate:,.6g} requests/s with a p95 of at most {goal.p95_ms:g} ms"
        if best is None:
            least = min(option.p95_ms for option in self.options)
            return f"no number of these machines serves {wanted}: a request alone has a p95 of {least:.3g} ms"
        count = "1 machine serves" if best.machines == 1 else f"{best.machines:,} machines serve"
        busy = best.utilisation if best.device_utilisation is None else best.device_utilisation
        cost = "" if best.cost_per_1000 is None else f"; 1,000 pictures cost {best.cost_per_1000:.3g}"
        unit = f" {self.currency}" if cost and self.currency else ""
        return (
            f"{count} {wanted} ({best.served.name}): p95 {best.p95_ms:.3g} ms,"
            f" {busy:.0%} busy; one of them serves up to {best.highest_rate:,.4g}{cost}{unit}"
        )


def read_plan(path: Path) -> PlanResult:
    """Read a `plan.json`, or that of a folder.

    Raises:
        SchemaError: the file is not such a document, or has a newer schema.
        IntegrityError: the file is missing or not an ordinary file.
    """
    file = path / PLAN_NAME if path.is_dir() else path
    return read_as(PlanResult, "a plan of 'litho bench plan'", file.parent, file.name, SCHEMA_VERSION)
