"""Results of MLPerf LoadGen as a JSON document."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ...bundle.json_documents import Document, read_as
from ...bundle.manifest import Verdict
from ..shared.machine import Machine

__all__ = ["OFFICIAL_SECONDS", "Accuracy", "LoadgenResult", "ScenarioResult", "Trial", "read_result"]

SCHEMA_VERSION = 1

OFFICIAL_SECONDS = 600.0
"""MLPerf's rules ask for runs of at least this length."""


class Trial(Document):
    """One run of a search, which decides how the next one is made.

    Args:
        rate: queries per second that were asked for; samples per second in Offline.
        seconds: shortest length that was asked for.
        held: whether the search went on from it as from a rate that holds.
        p99_ms: 99th percentile of the latency from the scheduled time; None if LoadGen says none.
        reason: why it did not hold; empty if it did.
    """

    rate: float
    seconds: float
    held: bool
    p99_ms: float | None = None
    reason: str = ""


class Accuracy(Document):
    """Pictures that LoadGen logged, judged by the parity gate.

    Args:
        pictures: how many.
        verdict: of the gate of the served precision.
    """

    pictures: int
    verdict: Verdict

    @property
    def passed(self) -> bool:
        """Whether the gate passed."""
        return self.verdict.status == "passed"


class ScenarioResult(Document):
    """One scenario: a run in performance mode and one in accuracy mode.

    Args:
        scenario: name of the scenario.
        metric: LoadGen's name of its figure.
        value: the figure, in the metric's unit; None if LoadGen says none.
        unit: "ms" or "samples/s".
        loadgen: what LoadGen says of the run in performance mode.
        loadgen_reason: why it is INVALID, in LoadGen's words.
        bound_ms: largest 99th percentile of the latency that Server allows; None in other scenarios.
        samples_per_query: pictures that a query asks for; in Offline all of them.
        samples: pictures answered.
        seconds: length of the run.
        failed: message -> number of samples whose request failed.
        latency_ms: percentile, such as "99.00" -> latency of a query in milliseconds; of a sample in Offline.
        client_cpu_ms: processor time of LoadGen's process for one picture; with an in-process runner the model's too.
        under_load: pictures that LoadGen logged at random during the run.
        accuracy: pictures of accuracy mode, which asks for every sample once.
        trials: of the search, in order.
        summary_log: name of LoadGen's summary beside the result.
    """

    scenario: str
    metric: str
    value: float | None
    unit: str
    loadgen: Literal["VALID", "INVALID"]
    loadgen_reason: str = ""
    bound_ms: float | None = None
    samples_per_query: int = 1
    samples: int
    seconds: float
    failed: dict[str, int]
    latency_ms: dict[str, float]
    client_cpu_ms: float
    under_load: Accuracy
    accuracy: Accuracy
    trials: tuple[Trial, ...] = ()
    summary_log: str = ""

    @property
    def reason(self) -> str:
        """Why the result is invalid, in one line; empty for a valid one."""
        reasons = [f"LoadGen says INVALID: {self.loadgen_reason}"] if self.loadgen != "VALID" else []
        if self.failed:
            first, count = next(iter(self.failed.items())), sum(self.failed.values())
            reasons.append(f"{count} samples failed, the first with: {first[0]}")
        for judged, where in ((self.under_load, "under load"), (self.accuracy, "in accuracy mode")):
            if not judged.passed:
                reasons.append(f"wrong pictures {where}: {judged.verdict.reason}")
        return "; ".join(reasons)

    @property
    def valid(self) -> bool:
        """Whether LoadGen says VALID, every request was answered, and the pictures passed their gate."""
        return not self.reason


class LoadgenResult(Document):
    """All scenarios of one target; written as `loadgen.json`.

    Args:
        schema_version: of this document.
        target: what answered: the name of the bundle, and how it ran.
        variant, precision, grade: of what answered.
        kind: "endpoint" or "in-process".
        seconds: shortest length of a run in performance mode.
        loadgen_version: of `mlcommons-loadgen`.
        note: what these figures are not.
        command: that made the document, without paths.
        measured_at: start, UTC, ISO 8601.
        machine: of LoadGen.
        scenarios: in the order of measurement.
        stopped: why the scenarios that were asked for are not all there; empty if they are.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    target: str
    variant: str
    precision: str
    grade: str
    kind: Literal["endpoint", "in-process"]
    seconds: float
    loadgen_version: str
    note: str
    command: str
    measured_at: str
    machine: Machine
    scenarios: tuple[ScenarioResult, ...]
    stopped: str = ""

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong: missing scenarios first, then a line for each that is not valid; empty if nothing is."""
        lines = tuple(f"{one.scenario}: {one.reason}" for one in self.scenarios if not one.valid)
        return (f"scenarios are missing: {self.stopped}", *lines) if self.stopped else lines


def read_result(path: Path) -> LoadgenResult:
    """Read a `loadgen.json`.

    Raises:
        SchemaError: the file is not such a document, or has a newer schema.
        IntegrityError: the file is missing or not an ordinary file.
    """
    return read_as(LoadgenResult, "a result of LoadGen", path.parent, path.name, SCHEMA_VERSION)
