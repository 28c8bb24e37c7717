"""docs/production.md: Prometheus' figures beside those of other witnesses."""

from __future__ import annotations

from ..monitoring.documents import MonitoringResult, Waited
from .base import Results, paragraph, table, three_digits, whole

__all__ = ["write"]

_HEAD = (
    "model",
    "requests",
    "wait: rule",
    "Triton's statistics",
    "Little's law",
    "published rule",
    "answer: rule",
    "clients",
)


def write(results: Results) -> dict[str, str]:
    """The times of each model, and how many series and alerts were right."""
    result = results.document(MonitoringResult, "monitoring")
    right = sum(one.right for one in result.checked)
    queries = len({(one.kind, one.query) for one in result.checked})
    slowest = max(result.fired.values(), default=0.0)
    said = (
        f"{right} of {len(result.checked)} series of {queries} queries said the right number after a load of"
        f" {result.seconds:g} s, scraped every {result.interval:g} s, on {result.machine.processor} with"
        f" {result.machine.cores} cores. {len(result.fired)} of {len(result.fired) + len(result.missed)} alerts whose"
        f" fault was made fired, the last {three_digits(slowest)} s after it, with all times of the rules divided by"
        f" {result.fault_factor:g}. The others have examples that promtool runs."
    )
    return {"": table(_HEAD, map(_row, result.waited)), "right": paragraph(said)}


def _row(one: Waited) -> tuple[str, ...]:
    name = f"`{one.model}`" + (", in flight" if one.in_flight else "")
    return (
        name,
        whole(one.requests),
        *("" if value is None else three_digits(value * 1e3) for value in one.times),
    )
