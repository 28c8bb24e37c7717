"""What `litho bench tune` found, as a JSON document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field as Constraint

from ...bundle.json_documents import Document, read_as
from ...bundle.manifest import Grade
from ..shared.machine import Machine

__all__ = [
    "RESULT_NAME",
    "SETTINGS_NAME",
    "Aim",
    "Confirmation",
    "Figures",
    "Goal",
    "Quality",
    "Round",
    "Trial",
    "TuneResult",
    "read_tuning",
]

SCHEMA_VERSION = 1
RESULT_NAME = "tune.json"
SETTINGS_NAME = "settings.json"

Aim = Literal["throughput", "latency", "cost"]
"""Most pictures a second, shortest median latency, or least processor time of the server for a picture."""


class Goal(Document):
    """What is searched for, and under which load.

    Args:
        aim: what is to be better than by default.
        slo_ms: with it, 99 % of the requests must be answered within so many milliseconds.
        grade: weakest promise that may be served.
        concurrency: requests kept in flight.
        batch: pictures in a request.
        device: that serves.
        variant: the only one that may be served; None for all.
    """

    aim: Aim = "throughput"
    slo_ms: float | None = None
    grade: Grade = "same picture"
    concurrency: Annotated[int, Constraint(ge=1)] = 32
    batch: Annotated[int, Constraint(ge=1)] = 1
    device: Literal["cpu", "cuda"] = "cpu"
    variant: str | None = None


class Figures(Document):
    """One window under load.

    Args:
        seconds: length of the window.
        images_per_second: pictures answered in it.
        p50_ms: median latency of a request.
        requests: answered in it.
        failed: requests that failed.
        in_time: requests answered within the goal's `slo_ms`; None without one.
        cpu_ms: processor time of the server and its processes for one picture, in milliseconds.
    """

    seconds: float
    images_per_second: float
    p50_ms: float
    requests: int
    failed: int = 0
    in_time: int | None = None
    cpu_ms: float


class Round(Document):
    """Two windows in turns, of a candidate and of the default."""

    candidate: Figures
    default: Figures


class Quality(Document):
    """The pictures that a candidate's server returned, against the probes of the bundle.

    Args:
        replayed: whether all probes were replayed through it before the load; of several candidates with the same
            variant and form, only through the first.
        checked: pictures that came back under load and were compared.
        wrong: those outside the limits of the served precision.
    """

    replayed: bool = False
    checked: int = 0
    wrong: int = 0


class Trial(Document):
    """One candidate.

    Args:
        number: in the order of the search, from 0.
        variant: names of its variants, one of each stage, separated by commas.
        settings: that differ from the default: name -> value.
        parameters: of the search: name -> value.
        state: "measured", "pruned" (given up as clearly worse), or "failed".
        reason: why it was pruned or failed; empty otherwise.
        score: as `judge.score` gives it; None of a failed one.
        rounds: in the order of measurement.
        quality: of its pictures; None if it was never served.
        start_seconds: from the start of its server until it was ready.
    """

    number: int
    variant: str
    settings: dict[str, Any]
    parameters: dict[str, Any]
    state: Literal["measured", "pruned", "failed"]
    reason: str = ""
    score: float | None = None
    rounds: tuple[Round, ...] = ()
    quality: Quality | None = None
    start_seconds: float | None = None


class Confirmation(Document):
    """Fresh pairs of the best candidate and the default, after the search.

    Args:
        rounds: in the order of measurement.
        gain: median over the rounds of how many times better the candidate was; 1 is equal.
        low, high: 95 % interval of the gain, by bootstrap over the rounds.
        verdict: "better" only if all of the interval is beyond 5 %.
        reason: of the verdict.
    """

    rounds: Annotated[tuple[Round, ...], Constraint(min_length=1)]
    gain: float
    low: float
    high: float
    verdict: Literal["better", "not better", "worse", "not decided"]
    reason: str


class TuneResult(Document):
    """One run of `litho bench tune`; written as `tune.json` after every trial.

    Args:
        schema_version: of this document.
        bundle: its name.
        manifest_sha256: of its manifest.
        goal: what was searched for.
        command: that made it.
        measured_at: start, UTC, ISO 8601.
        machine: that served and measured.
        budget_seconds: that were given, of all runs that went on with these trials.
        window_seconds: length of a window.
        default: what `litho deploy` serves without options: its variant.
        trials: in order.
        winner: number of the trial that was best; None if none was better than the default.
        confirmation: of the winner; None if the search was interrupted or found none.
        deploy: the command that serves what was found best.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    bundle: str
    manifest_sha256: str
    goal: Goal
    command: str
    measured_at: str
    machine: Machine
    budget_seconds: float
    window_seconds: float
    default: str
    trials: tuple[Trial, ...] = ()
    winner: int | None = None
    confirmation: Confirmation | None = None
    deploy: str = ""

    @property
    def improved(self) -> bool:
        """Whether the winner is confirmed to be better than the default."""
        return self.confirmation is not None and self.confirmation.verdict == "better"


def read_tuning(path: Path) -> TuneResult:
    """Read a `tune.json`.

    Raises:
        SchemaError: the file is not such a document, or has a newer schema.
        IntegrityError: the file is missing or not an ordinary file.
    """
    return read_as(TuneResult, "a result of 'litho bench tune'", path.parent, path.name, SCHEMA_VERSION)
