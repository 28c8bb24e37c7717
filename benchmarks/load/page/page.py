"""The page of a benchmark, `bench.html`, and the picture of it, `bench.png`.

The first screen is the verdict: one number, whether it counts, of which model, in which precision, on which machine
and day. Below it are charts, which a pointer explains and magnifies, then every figure, the method and the machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ....extras import require
from ....files import write_bytes
from ....reporting import format_count, human_bytes, number, render
from ....runners.base import promise
from ..documents.result import BenchResult, Comparison, SoakResult
from ..documents.windows import HELD_SHARE, STABLE_DEVIATION
from .charts import Chart
from .drawing import javascript, page_charts, png, script_policy, still
from .facts import facts
from .plots import charts_of, latency_chart, pairs_chart, throughput_chart, trade_chart
from .report import comparison_facts, memory_rows, remarks, table
from .resource_plots import memory_chart, resource_charts
from .roofline_plot import roofline_chart

__all__ = ["PageCharts", "page", "picture", "require_report", "view", "write_result"]

JSON_NAME, PAGE_NAME, PICTURE_NAME = "bench.json", "bench.html", "bench.png"


def require_report() -> None:
    """Check, before a long measurement, that the packages that render the page are installed.

    Raises:
        MissingExtra: Jinja2 or vl-convert is not installed.
    """
    require("jinja2", "bench")
    require("vl_convert", "bench")


def write_result(result: BenchResult, folder: Path) -> tuple[Path, Path]:
    """Write `bench.json`, `bench.html` and `bench.png` into `folder`, each atomically.

    Returns:
        The paths of the document and of the page.
    """
    document, html = folder / JSON_NAME, folder / PAGE_NAME
    write_bytes(document, result.model_dump_json(indent=2) + "\n")
    write_bytes(html, page(result))
    write_bytes(folder / PICTURE_NAME, picture(result))
    return document, html


def page(result: BenchResult) -> str:
    """Render the result as one HTML file, which loads nothing."""
    return render("bench.html", bench=view(result))


def picture(result: BenchResult) -> bytes:
    """The content of a PNG file for a README: latency and throughput, with model, machine and date."""
    charts = [trade_chart(result) or latency_chart(result), throughput_chart(result)]
    promised = promise(result.variant, result.precision, result.grade)
    machine = "; ".join((result.machine.said, *result.machine.gpus))
    note = "; ".join(part for part in (promised, machine, result.measured_at[:10]) if part)
    name = result.target.rstrip("/").rpartition("/")[2]
    best = result.best
    found = f"{number(best.images_per_second)} images/s at {best.load}" if best else "not a result"
    return png(charts, f"{name}: {found}", note)


class PageCharts:
    """The charts of one page, which has their specifications and the script that draws them once.

    Attributes:
        drawn: in the order in which they were added.
    """

    def __init__(self) -> None:
        self.drawn: list[Chart] = []

    def add(self, chart: Chart) -> dict[str, Any]:
        """The variables of the macro `live_chart`."""
        self.drawn.append(chart)
        return {
            "index": len(self.drawn) - 1,
            "title": chart.title,
            "source": chart.source,
            "still": still(chart),
        }

    def add_all(self, charts: Iterable[Chart]) -> list[dict[str, Any]]:
        """The same of several."""
        return [self.add(chart) for chart in charts]

    def script(self) -> dict[str, Any]:
        """The variables of the macro `chart_script`."""
        markup = require("markupsafe", "bench")
        script = javascript()
        return {
            "data": markup.Markup(page_charts(self.drawn)),
            "script": markup.Markup(script),
            "policy": script_policy(script),
        }


def view(result: BenchResult) -> dict[str, Any]:
    """The variables of `bench.html` and of the macro `bench_sections`, which any page may use."""
    columns, rows = table(result)
    charts = PageCharts()
    return {
        "name": result.target,
        "status": _status(result),
        "sentence": _sentence(result),
        "identity": _identity(result),
        "headline": _headline(result),
        "remarks": list(remarks(result)),
        "charts": charts.add_all(_charts(result)),
        "columns": columns,
        "rows": rows,
        "comparison": _comparison(result.comparison, charts) if result.comparison else None,
        "soak": _soak(result.soak, charts) if result.soak else None,
        "method": [*facts(result), *_method(result)],
        "machine": _machine(result),
        "script": charts.script(),
    }


def _charts(result: BenchResult) -> list[Chart]:
    roofline = roofline_chart(result)
    return [*charts_of(result), *([roofline] if roofline else []), *resource_charts(result)]


def _status(result: BenchResult) -> str:
    """Whether the figures count, in a word."""
    if result.problems or result.best is None:
        return "invalid"
    comparison = result.comparison
    if comparison is not None and comparison.passed is not None:
        return "passed" if comparison.passed else "failed"
    return {True: "valid", False: "not stable", None: "not judged"}[result.best.stable]


def _sentence(result: BenchResult) -> str:
    best = result.best
    if result.problems or best is None:
        return f"Not a result: {result.problems[0] if result.problems else 'no load counts'}."
    sentence = f"{result.runner} makes {number(best.images_per_second)} images/s at {best.load}"
    if best.stable is not True:
        sentence += f", but {best.unstable or best.not_judged}"
    comparison = result.comparison
    if comparison is None:
        return f"{sentence}."
    if comparison.scattered and comparison.at_least is None:
        low, high = comparison.ratio_range
        return (
            f"{sentence}. How fast that is beside {comparison.second} is not known: the ratios of the pairs vary from"
            f" {low:.2f} to {high:.2f}."
        )
    limit = "" if comparison.at_least is None else f"; the limit is {comparison.at_least:g}"
    return f"{sentence}. It makes {comparison.ratio:.2f} times the images/s of {comparison.second}{limit}."


def _identity(result: BenchResult) -> list[tuple[str, str]]:
    """What was measured, where and when."""
    machine = result.machine
    known = (
        ("variant", result.variant),
        ("precision", result.precision),
        ("grade", result.grade),
        ("machine", "; ".join((machine.said, *machine.gpus))),
        ("date", result.measured_at.replace("T", " ").partition("+")[0] + " UTC"),
    )
    return [(name, value) for name, value in known if value]


def _headline(result: BenchResult) -> list[tuple[str, str, str]]:
    """The figures that matter most, the first before all others."""
    entries: list[tuple[str, str, str]] = []
    best, quickest = result.best, result.quickest
    if best is not None and quickest is not None:
        p99 = best.latency.p99_ms
        entries = [
            ("highest throughput", number(best.images_per_second), f"images/s at {best.load}"),
            ("lowest median latency", f"{number(quickest.latency.p50_ms)} ms", f"at {quickest.load}"),
            (
                "p99 at the highest throughput",
                "not known" if p99 is None else f"{number(p99)} ms",
                f"of {format_count(best.requests)} requests",
            ),
        ]
    if result.comparison is not None:
        low, high = result.comparison.ratio_range
        small = f"times as fast as {result.comparison.second}; pairs from {low:.2f} to {high:.2f}"
        ratio = "not known" if result.comparison.scattered else f"{result.comparison.ratio:.2f} ×"
        entries.append(("speed compared", ratio, small))
    if result.roofline is not None and best is not None:
        reached = result.roofline.points[result.points.index(best)]
        entries.append(("share of the roofline", f"{reached.share:.0%}", f"of what {reached.bound} allows"))
    if result.cost is not None:
        price = f"{number(result.cost.per_1000_images)} {result.cost.currency}".rstrip()
        entries.append(("cost of 1,000 images", price, f"at {result.cost.per_hour:g} an hour"))
    return [*entries, *_counts(result)]


def _counts(result: BenchResult) -> list[tuple[str, str, str]]:
    """How many pictures, loads and requests stand the checks."""
    counts = []
    judged = [point.quality for point in result.points if point.quality is not None]
    if judged:
        wrong, checked = (sum(getattr(each, name) for each in judged) for name in ("wrong", "pictures"))
        counts.append(
            ("wrong pictures", f"{wrong} of {format_count(checked)}", f"against {judged[0].against}")
        )
    stable = sum(point.stable is True for point in result.points)
    failed = sum(point.failed for point in result.points)
    return [
        *counts,
        ("stable loads", f"{stable} of {len(result.points)}", ""),
        ("failed requests", format_count(failed), ""),
    ]


def _comparison(comparison: Comparison, charts: PageCharts) -> dict[str, Any]:
    served = all(pair.first.server is not None for pair in comparison.pairs)
    return {
        "facts": comparison_facts(comparison),
        "verdict": {None: "", True: "passed", False: "failed"}[comparison.passed],
        "chart": charts.add(pairs_chart(comparison)),
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


def _soak(result: SoakResult, charts: PageCharts) -> dict[str, Any]:
    return {
        "note": f"{format_count(result.requests * result.batch)} images in {number(result.seconds)} s,"
        f" {result.in_flight} {'request' if result.in_flight == 1 else 'requests'} in flight.",
        "columns": ["resident memory", "client|right", "server|right"],
        "rows": memory_rows(result),
        "chart": charts.add(memory_chart(result)),
    }


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
        *_roofline_method(result),
        ("Document", f"bench.json, schema version {result.schema_version}"),
    ]


def _roofline_method(result: BenchResult) -> list[tuple[str, str]]:
    if result.roofline is None:
        return []
    peaks = ", ".join(
        f"{number(peak.per_second / 1e9)} G operations/s of {peak.precision} in {peak.runtime} ({peak.source})"
        for peak in result.roofline.ceilings.peaks
    )
    said = f"work counted from the variant's graphs; ceilings measured here after the loads: {peaks}"
    return [("Roofline", said)]


def _machine(result: BenchResult) -> list[tuple[str, str]]:
    machine, environment = result.machine, result.environment
    known: list[tuple[str, str]] = []
    if environment is not None:
        load = "" if environment.load_average is None else f"{environment.load_average:.2f}"
        variables = ", ".join(f"{name}={value}" for name, value in environment.variables.items())
        known = [
            ("Command", environment.command),
            ("Commit", environment.git_commit),
            ("Load average before", load),
            ("Governor", environment.governor),
            ("Variables", variables),
        ]
    return [
        ("Processor", f"{machine.processor}, {machine.cores} logical cores to use"),
        ("Memory", human_bytes(machine.memory_bytes)),
        ("GPU", "; ".join(machine.gpus) or "none"),
        ("System", machine.system),
        ("Versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())),
        ("Measured", f"{result.measured_at} (UTC)"),
        *(pair for pair in known if pair[1]),
    ]
