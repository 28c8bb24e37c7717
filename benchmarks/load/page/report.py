"""Benchmark results for the terminal: a table, and remarks on what a reader must know; `page` uses both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ....reporting import format_count, human_bytes, number
from ....runners.base import promise
from ..documents.latency import FEWEST_REQUESTS
from ..documents.result import BenchResult, Comparison, SoakResult
from ..documents.windows import Point
from .facts import facts

__all__ = ["comparison_facts", "lines", "memory_rows", "remarks", "table"]

BUSY_CORES = 0.8


def table(result: BenchResult, *, brief: bool = False) -> tuple[list[str], list[list[str]]]:
    """A row for each load.

    Args:
        result: to show.
        brief: leave out columns, so that the table fits a terminal of 80 columns.

    Returns:
        Headings, those of figures ending in "|right"; and the cells of each row.
    """
    rows = [_cells(point, result.kind) for point in result.points]
    arrivals = next(iter(rows[0]))
    headings = [
        heading
        for heading in rows[0]
        if not (brief and heading in _LONG)
        and not (heading in {arrivals, "batch"} and len({row[heading] for row in rows}) == 1)
    ]
    if not {arrivals, "batch"} & set(headings):
        headings.insert(0, arrivals if result.kind == "endpoint" else "batch")
    named = [heading if heading == "stable" else f"{heading}|right" for heading in headings]
    return named, [[row[heading] for heading in headings] for row in rows]


_LONG = {"range of windows", "max ms", "CPU ms", "client CPU ms", "requests"}


def _cells(point: Point, kind: str) -> dict[str, str]:
    slowest, fastest = point.images_per_second_range
    cells = {
        "concurrency" if point.load.rate is None else "offered/s": f"{point.load.intensity:g}",
        "batch": str(point.load.batch),
        "images/s": number(point.images_per_second),
        "range of windows": f"{number(slowest)} to {number(fastest)}",
        "p50 ms": number(point.latency.p50_ms),
        "p90 ms": _known(point.latency.p90_ms),
        "p99 ms": _known(point.latency.p99_ms),
        "max ms": number(point.latency.max_ms),
    }
    if kind == "endpoint" and point.server is not None:
        cells["batch formed"] = number(point.server.mean_batch)
        cells["queue ms"] = number(point.server.queue_ms)
        cells["compute ms"] = number(point.server.compute_ms)
    # In process, the processor time includes the model.
    cells["client CPU ms" if kind == "endpoint" else "CPU ms"] = number(point.client_cpu_ms)
    cells["requests"] = format_count(point.requests)
    cells["failed"] = str(point.failed)
    cells["stable"] = {True: "yes", False: "no", None: "not judged"}[point.stable]
    return cells


def _known(figure: float | None) -> str:
    return "\u2013" if figure is None else number(figure)


def lines(result: BenchResult) -> list[str]:
    """Comparison, memory and remarks, line by line, to print below `table`."""
    shown = (
        [f"{name}: {value}" for name, value in comparison_facts(result.comparison)]
        if result.comparison
        else []
    )
    if result.soak is not None:
        shown += [f"memory {row[0]}: client {row[1]}, server {row[2]}" for row in memory_rows(result.soak)]
    shown = [*(f"{name}: {value}" for name, value in facts(result)), *shown]
    measured = promise(result.variant, result.precision, result.grade)
    return [*([f"measured: {measured}"] if measured else []), *shown, *remarks(result)]


def remarks(result: BenchResult) -> Iterator[str]:
    """What a reader must know to judge the figures, a sentence each."""
    yield from (f"{problem[0].upper()}{problem[1:]}." for problem in result.problems)
    yield from _stability_remarks(result.points)
    yield from _few_requests_remarks(result.points)
    for point in result.points:
        yield from _point_remarks(point, result.kind == "endpoint")
    if result.comparison is not None:
        yield from _comparison_remarks(result.comparison)
    if result.soak is not None and result.soak.errors:
        yield f"Memory under load: {_failures(result.soak.errors)}."


def _stability_remarks(points: Sequence[Point]) -> Iterator[str]:
    reasons = Counter(point.not_judged for point in points if point.stable is None)
    for reason, count in reasons.items():
        yield f"Stability of {count} of {len(points)} loads was not judged: {reason}; measure longer."
    for point in points:
        if point.unstable and not point.invalid:
            yield f"{str(point.load).capitalize()} was not stable: {point.unstable}."


def _few_requests_remarks(points: Sequence[Point]) -> Iterator[str]:
    few = [point for point in points if point.latency.p99 is None]
    if few:
        counts = "; ".join(f"{point.requests} at {point.load}" for point in few)
        yield f"p99 is not given from fewer than {FEWEST_REQUESTS['p99']:,} requests: {counts}."


def _point_remarks(point: Point, endpoint: bool) -> Iterator[str]:
    load = str(point.load).capitalize()
    if point.errors:
        yield f"{load}: {_failures(point.errors)}."
    if endpoint and point.client_cores > BUSY_CORES:
        yield (
            f"{load}: the load generator kept {point.client_cores:.2f} cores busy;"
            " the server may be capable of more."
        )
    # The statistics are read with requests in flight at both ends of a window, hence the margin.
    ours = 1.1 * point.requests + point.failed + 2 * point.load.concurrency * len(point.windows)
    if point.server is not None and point.server.requests > ours:
        yield (
            f"{load}: the server answered {point.server.requests} requests, of which this benchmark sent"
            f" {point.requests}."
        )


def _failures(errors: Mapping[str, int]) -> str:
    message, count = max(errors.items(), key=lambda entry: entry[1])
    total = sum(errors.values())
    requests = "request" if total == 1 else "requests"
    return f"{total} {requests} failed, {count} of them with: {message.rstrip('.')}"


def _comparison_remarks(comparison: Comparison) -> Iterator[str]:
    failures: Counter[str] = Counter()
    for pair in comparison.pairs:
        failures.update(pair.first.errors)
        failures.update(pair.second.errors)
    if failures:
        yield f"Comparison: {_failures(failures)}."
    if comparison.scattered:
        low, high = comparison.ratio_range
        yield (
            f"Comparison: the ratios of the pairs vary from {low:.2f} to {high:.2f}, too much for their median;"
            " measure longer, or on a quieter machine."
        )
    if comparison.passed is False:
        yield f"Comparison: the ratio {comparison.ratio:.2f} is below {comparison.at_least:g}."


def comparison_facts(comparison: Comparison) -> list[tuple[str, str]]:
    """What was compared, and the ratio: names and values."""
    low, high = comparison.ratio_range
    pairs = f"{len(comparison.pairs)} pairs, from {low:.3f} to {high:.3f}"
    facts = [
        ("A", _side(comparison.first, comparison.first_variant, str(comparison.first_load))),
        ("B", _side(comparison.second, comparison.second_variant, str(comparison.second_load))),
        (
            "A / B",
            f"not known ({pairs})" if comparison.scattered else f"{comparison.ratio:.3f} (median of {pairs})",
        ),
    ]
    return facts if comparison.at_least is None else [*facts, ("limit", f"at least {comparison.at_least:g}")]


def _side(runner: str, variant: str, load: str) -> str:
    """What one side was, with the variant that it ran."""
    named = f"{runner}, variant {variant}" if variant and variant not in runner else runner
    return f"{named}, {load}"


def memory_rows(result: SoakResult) -> list[list[str]]:
    """Resident memory of client and server at the start, settled and at the end, and its growth: cells of a table."""
    moments = {
        "at the start": result.samples[0],
        f"after {result.settled.requests} requests": result.settled,
        "at the end": result.samples[-1],
    }
    rows = [
        [
            name,
            human_bytes(sample.client_bytes),
            human_bytes(sample.server_bytes) if sample.server_bytes else "\u2013",
        ]
        for name, sample in moments.items()
    ]
    return [*rows, ["growth since settled", _percent(result.client_growth), _percent(result.server_growth)]]


def _percent(share: float | None) -> str:
    return "\u2013" if share is None else f"{share:+.1%}"
