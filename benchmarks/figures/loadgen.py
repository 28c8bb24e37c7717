"""docs/benchmarks.md: what MLPerf LoadGen measures and says of an endpoint."""

from __future__ import annotations

from ..mlperf.documents import ScenarioResult, read_result
from .base import Results, paragraph, table, three_digits, whole

__all__ = ["write"]

_HEAD = (
    "scenario",
    "LoadGen",
    "figure",
    "p50 ms",
    "p99 ms",
    "pictures",
    "judged under load",
    "accuracy mode",
)
_FIGURES = {
    "single-stream": "p90 {} ms",
    "multi-stream": "p99 of 8 pictures {} ms",
    "offline": "{} images/s",
    "server": "{} images/s with p99 below {} ms",
}
"""Scenario -> LoadGen's figure in words."""


def write(results: Results) -> dict[str, str]:
    """The table, and `run`: what was measured, for how long, and what the figures are not."""
    result = read_result(results.path("loadgen"))
    wrong = "" if not result.problems else f" **Not valid: {'; '.join(result.problems)}.**"
    run = (
        f"{result.target} ({result.variant}), LoadGen {result.loadgen_version}, runs of at least {result.seconds:g} s,"
        f" on {result.machine.processor} with {result.machine.cores} cores. This is {result.note}.{wrong}"
    )
    return {"": table(_HEAD, map(_row, result.scenarios)), "run": paragraph(run)}


def _row(one: ScenarioResult) -> tuple[str, ...]:
    value = "–" if one.value is None else three_digits(one.value)
    bound = "" if one.bound_ms is None else f"{one.bound_ms:g}"
    latencies = [
        three_digits(one.latency_ms[name]) if name in one.latency_ms and one.scenario != "offline" else ""
        for name in ("50.00", "99.00")
    ]
    judged = [f"{part.pictures} {part.verdict.status}" for part in (one.under_load, one.accuracy)]
    said = (
        one.loadgen
        if one.valid
        else f"{one.loadgen}, not valid here"
        if one.loadgen == "VALID"
        else one.loadgen
    )
    return (
        one.scenario,
        said,
        _FIGURES[one.scenario].format(value, bound),
        *latencies,
        whole(one.samples),
        *judged,
    )
