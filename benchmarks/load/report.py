"""Benchmark results for people: a table and remarks for the terminal, and an HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...extras import require
from ...files import write_bytes
from ...reporting import format_count, human_bytes, number, render
from ...runners.base import promise
from . import plots
from .documents import BenchResult, Comparison, SoakResult
from .latency import FEWEST_REQUESTS
from .windows import HELD_SHARE, STABLE_DEVIATION, Point

__all__ = ["lines", "page", "remarks", "require_report", "table", "view", "write_result"]

JSON_NAME, PAGE_NAME = "bench.json", "bench.html"
BUSY_CORES = 0.8
SCATTERED = 1.5


def require_report() -> None:
    """Check, before a long measurement, that the packages that render the page are installed.

    Raises:
        MissingExtra: Jinja2 or matplotlib is not installed.
    """
    require("jinja2", "bench")
    require("matplotlib", "bench")


def write_result(result: BenchResult, folder: Path) -> tuple[Path, Path]:
    """Write `bench.json` and `bench.html` into `folder`, each atomically, and return their paths."""
    document, html = folder / JSON_NAME, folder / PAGE_NAME
    write_bytes(document, result.model_dump_json(indent=2) + "\n")
    write_bytes(html, page(result))
    return document, html


def page(result: BenchResult) -> str:
    """Render the result as one HTML file."""
    return render("bench.html", bench=view(result))


def view(result: BenchResult) -> dict[str, Any]:
    """The variables of `bench.html` and of the macro `bench_sections`, which any page may use."""
    columns, rows = table(result)
    return {
        "name": result.target,
        "status": _status(result.comparison, result.problems),
        "sentence": _sentence(result),
        "headline": _headline(result),
        "remarks": list(remarks(result)),
        "charts": _charts(result),
        "columns": columns,
        "rows": rows,
        "comparison": _comparison(result.comparison) if result.comparison else None,
        "soak": _soak(result.soak) if result.soak else None,
        "method": _method(result),
        "machine": _machine(result),
    }


def table(result: BenchResult, *, brief: bool = False) -> tuple[list[str], list[list[str]]]:
    """A row for each load.

    Args:
        result: to show.
        brief: leave out columns, so that the table fits a terminal of 80 columns.

    Returns:
        Headings, those of figures ending in "|right"; and the cells of each row.
    """
    rows = [_cells(point, result.kind) for point in result.points]
    headings = [
        heading
        for heading in rows[0]
        if not (brief and heading in _LONG)
        and not (heading in {"concurrency", "batch"} and len({row[heading] for row in rows}) == 1)
    ]
    if not {"concurrency", "batch"} & set(headings):
        headings.insert(0, "concurrency" if result.kind == "endpoint" else "batch")
    named = [heading if heading == "stable" else f"{heading}|right" for heading in headings]
    return named, [[row[heading] for heading in headings] for row in rows]


_LONG = {"range of windows", "max ms", "CPU ms", "client CPU ms", "requests"}


def _cells(point: Point, kind: str) -> dict[str, str]:
    slowest, fastest = point.images_per_second_range
    cells = {
        "concurrency": str(point.load.concurrency),
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
        [f"{name}: {value}" for name, value in _comparison_facts(result.comparison)]
        if result.comparison
        else []
    )
    if result.soak is not None:
        shown += [f"memory {row[0]}: client {row[1]}, server {row[2]}" for row in _soak_rows(result.soak)]
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
    low, high = comparison.ratio_range
    if high > SCATTERED * low:
        yield (
            f"Comparison: the ratios of the pairs vary from {low:.2f} to {high:.2f}, too much for their median;"
            " measure longer, or on a quieter machine."
        )
    if comparison.passed is False:
        yield f"Comparison: the ratio {comparison.ratio:.2f} is below {comparison.at_least:g}."


def _status(comparison: Comparison | None, problems: Sequence[str] = ()) -> str:
    """The verdict; empty if nothing was asked for and nothing is wrong."""
    passed = None if comparison is None else comparison.passed
    passed = False if problems else passed
    return {None: "", True: "passed", False: "failed"}[passed]


def _sentence(result: BenchResult) -> str:
    if result.problems:
        return f"Not a result: {result.problems[0]}."
    best = result.best
    assert best is not None, "no problem was found"
    sentence = f"{result.runner} makes {number(best.images_per_second)} images/s at {best.load}"
    comparison = result.comparison
    if comparison is None:
        return f"{sentence}."
    limit = "" if comparison.at_least is None else f"; the limit is {comparison.at_least:g}"
    return f"{sentence}. It makes {comparison.ratio:.2f} times the images/s of {comparison.second}{limit}."


def _headline(result: BenchResult) -> list[tuple[str, str, str]]:
    best, quickest = result.best, result.quickest
    entries = []
    if best is not None and quickest is not None:
        p99 = best.latency.p99_ms
        entries = [
            ("highest throughput", number(best.images_per_second), f"images/s at {best.load}"),
            ("lowest median latency", f"{number(quickest.latency.p50_ms)} ms", f"at {quickest.load}"),
            (
                "p99 at the highest throughput",
                "not known" if p99 is None else f"{number(p99)} ms",
                f"of {best.requests} requests",
            ),
        ]
    if result.comparison is not None:
        low, high = result.comparison.ratio_range
        small = f"times as fast as {result.comparison.second}; pairs from {low:.2f} to {high:.2f}"
        entries.append(("speed compared", f"{result.comparison.ratio:.2f} ×", small))
    stable = sum(point.stable is True for point in result.points)
    day, machine = result.measured_at.partition("T")[0], result.machine
    return [
        *entries,
        ("stable loads", f"{stable} of {len(result.points)}", ""),
        ("measured", day, "; ".join((f"{machine.processor}, {machine.cores} cores", *machine.gpus))),
    ]


def _charts(result: BenchResult) -> list[dict[str, Any]]:
    captions = (
        (plots.latency_chart(result), "Latency at the client"),
        (plots.throughput_chart(result), "Throughput, with the range from the slowest to the fastest window"),
        (plots.time_chart(result), "Parts of the mean latency, from the server's statistics"),
        (plots.batch_chart(result), "Mean size of the batches that the server formed"),
    )
    return [{"chart": chart, "caption": caption} for chart, caption in captions if chart is not None]


def _comparison(comparison: Comparison) -> dict[str, Any]:
    served = all(pair.first.server is not None for pair in comparison.pairs)
    return {
        "facts": _comparison_facts(comparison),
        "verdict": _status(comparison),
        "columns": ["pair|right", "A images/s|right", "B images/s|right", "A / B|right"]
        + (["batch formed in A|right"] if served else []),
        "rows": [
            [
                str(turn),
                number(pair.first.images_per_second),
                number(pair.second.images_per_second),
                f"{pair.ratio:.3f}",
                *([number(pair.first.server.mean_batch)] if served and pair.first.server else []),
            ]
            for turn, pair in enumerate(comparison.pairs, 1)
        ],
    }


def _comparison_facts(comparison: Comparison) -> list[tuple[str, str]]:
    low, high = comparison.ratio_range
    facts = [
        ("A", f"{comparison.first}, {comparison.first_load}"),
        ("B", f"{comparison.second}, {comparison.second_load}"),
        (
            "A / B",
            f"{comparison.ratio:.3f} (median of {len(comparison.pairs)} pairs, {low:.3f} to {high:.3f})",
        ),
    ]
    return facts if comparison.at_least is None else [*facts, ("limit", f"at least {comparison.at_least:g}")]


def _soak(result: SoakResult) -> dict[str, Any]:
    return {
        "note": f"{format_count(result.requests * result.batch)} images in {number(result.seconds)} s,"
        f" {result.in_flight} {'request' if result.in_flight == 1 else 'requests'} in flight.",
        "columns": ["resident memory", "client|right", "server|right"],
        "rows": _soak_rows(result),
        "chart": plots.memory_chart(result),
    }


def _soak_rows(result: SoakResult) -> list[list[str]]:
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


def _method(result: BenchResult) -> list[tuple[str, str]]:
    method = result.method
    return [
        ("Scenario", method.scenario),
        ("Runner", f"{result.runner} ({result.kind})"),
        (
            "Windows",
            f"{method.rounds} for each load, {number(method.window_seconds)} s each; the loads take turns",
        ),
        ("Warm-up", f"{number(method.warmup_seconds)} s under load before each window, not counted"),
        ("Inputs", f"different for every image; seeds are counted from {method.first_seed}"),
        (
            "Percentiles",
            "nearest rank, over the requests of all windows together; p90 from 100 requests, p99 from 1,000",
        ),
        (
            "Stable",
            f"throughput and median latency of the last three windows within {STABLE_DEVIATION:.0%} of their mean,"
            f" and at least {HELD_SHARE:.0%} of the wanted requests in flight",
        ),
    ]


def _machine(result: BenchResult) -> list[tuple[str, str]]:
    machine = result.machine
    return [
        ("Processor", f"{machine.processor}, {machine.cores} logical cores to use"),
        ("Memory", human_bytes(machine.memory_bytes)),
        ("GPU", "; ".join(machine.gpus) or "none"),
        ("System", machine.system),
        ("Versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())),
        ("Measured", f"{result.measured_at} (UTC)"),
    ]


def _percent(share: float | None) -> str:
    return "\u2013" if share is None else f"{share:+.1%}"
