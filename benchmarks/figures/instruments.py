"""docs/benchmarks.md: litho's load generator beside NVIDIA's perf_analyzer."""

from __future__ import annotations

from statistics import median

from ..null_model.documents import NullModelResult
from ..perf_analyzer.documents import NEAR, NEAR_P99, Compared, PerfAnalyzerResult
from .base import Results, paragraph, table, whole

__all__ = ["write"]

_HEAD = (
    "generator",
    "protocol",
    "clients",
    "images/s",
    "of perf_analyzer",
    "p50",
    "p99",
    "in flight",
    "client CPU, µs",
)
_MORE = ("perf_analyzer's CPU, µs", "of perf_analyzer, by the server's count", "batch formed")
"""In documents that hold them."""


def write(results: Results) -> dict[str, str]:
    """The table, how many rows are within the bounds, and the rate of the null model."""
    result = results.document(PerfAnalyzerResult, "perf-analyzer")
    null = results.document(NullModelResult, "null-model")
    near = sum(not one.misses for one in result.compared)
    rounds = len(result.compared[0].rounds)
    cores = f"with {result.machine.cores} cores, which server and tools share"
    if result.cores is not None:
        cores = result.cores.said("the server", "the tools")
    said = (
        f"{near} of {len(result.compared)} rows are within the bounds: {NEAR:.0%} of throughput and p50,"
        f" {NEAR_P99:.0%} of p99. Medians of {rounds} rounds in turns, on {result.machine.processor}, {cores}."
    )
    (only,) = null.protocols
    rates = (
        whole(median(getattr(one, tool).requests_per_second for one in only.rounds))
        for tool in ("litho", "perf_analyzer")
    )
    fast = (
        "A model that does nothing gets {} requests a second from litho and {} from perf_analyzer, {:.2f} times as"
        " many, from {} clients on the two cores that they share with the server."
    ).format(*rates, only.ratio, null.clients)
    counted = any(one.server_ratio() is not None for one in result.compared)
    head = (*_HEAD, *_MORE) if counted else _HEAD
    rows = [(*_row(one), *(_counted(one) if counted else ())) for one in result.compared]
    return {"": table(head, rows), "near": paragraph(said), "null": paragraph(fast)}


def _row(one: Compared) -> tuple[str, ...]:
    ratios = (f"{one.ratio(figure):.2f}" for figure in ("requests_per_second", "p50_ms", "p99_ms"))
    return (
        f"`{one.bundle}`",
        one.protocol,
        str(one.clients),
        whole(median(each.litho.requests_per_second for each in one.rounds)),
        *ratios,
        f"{one.in_flight:.3f}",
        f"{median(each.client_cpu_us for each in one.rounds):.0f}",
    )


def _counted(one: Compared) -> tuple[str, ...]:
    figures = (one.server_ratio(), one.server_ratio("server_mean_batch"))
    ratios = ("" if ratio is None else f"{ratio:.2f}" for ratio in figures)
    cpu_us = one.their_cpu_us()
    return "" if cpu_us is None else f"{cpu_us:.0f}", *ratios
