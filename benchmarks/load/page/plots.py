"""Charts of a benchmark result: each one or None, where the result has not what it shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ....reporting import number
from ..documents.result import BenchResult, Comparison
from ..documents.server_times import ServerTimes
from ..documents.windows import Latency, Point
from .charts import Axis, Chart, Row, bars, chart, dots, lines, rule

__all__ = [
    "axis_name",
    "batch_chart",
    "charts_of",
    "fitted_line",
    "growth_chart",
    "latency_chart",
    "load_names",
    "pairs_chart",
    "percentiles",
    "throughput_chart",
    "time_chart",
    "trade_chart",
]

LOGARITHMIC_ABOVE = 30
"""Ratio of the slowest percentile to the lowest median above which the axis is logarithmic."""

_CLIENT = "the client's clock, requests of all windows together"


def charts_of(result: BenchResult) -> list[Chart]:
    """Every chart of a result, in the order of a page."""
    made = (
        trade_chart(result),
        latency_chart(result),
        throughput_chart(result),
        growth_chart(result),
        time_chart(result),
        batch_chart(result),
    )
    return [each for each in made if each is not None]


def percentiles(latency: Latency) -> Iterator[tuple[str, float, float | None, float | None]]:
    """Name, value and interval (low and high, None where it is not known) of each percentile, in milliseconds."""
    for name in ("p50", "p90", "p95", "p99", "p999"):
        found = getattr(latency, name)
        if found is not None:
            yield name.replace("p999", "p99.9"), found.value_ms, found.low_ms, found.high_ms


def trade_chart(result: BenchResult) -> Chart | None:
    """Latency over throughput: what each load gives and what it costs; None for a single load."""
    if len(result.points) < 2:
        return None
    rows: list[Row] = []
    for name in ("p50", "p99"):
        rows += [
            {
                "x": point.images_per_second,
                "y": value,
                "low": low,
                "high": high,
                "series": found,
                "load": str(point.load),
                "speed": number(point.images_per_second),
                "shown": _with_interval(value, low, high),
            }
            for point in sorted(result.points, key=lambda point: (point.load.batch, point.load.intensity))
            for found, value, low, high in percentiles(point.latency)
            if found == name
        ]
    heights = [float(row["y"] or 0) for row in rows]
    drawn = lines(
        rows,
        Axis("images/s"),
        _latency_axis(heights),
        {"load": "load", "series": "percentile", "shown": "latency, ms", "speed": "images/s"},
    )
    return chart(
        "Latency over throughput",
        drawn,
        alt=f"p50 and p99 of latency over images per second for {len(result.points)} loads; the highest throughput is"
        f" {number(_highest(result))} images/s.",
        source=f"points[].latency and windows[].images / seconds; {_CLIENT}; one point for each load",
    )


def latency_chart(result: BenchResult) -> Chart:
    """Percentiles of latency over the load, with their intervals."""
    names = load_names(result)
    rows: list[Row] = [
        {
            "x": load,
            "y": value,
            "low": low,
            "high": high,
            "series": name,
            "load": str(point.load),
            "shown": _with_interval(value, low, high),
        }
        for load, point in zip(names, result.points, strict=True)
        for name, value, low, high in percentiles(point.latency)
    ]
    heights = [float(row["y"] or 0) for row in rows]
    drawn = lines(
        rows,
        Axis(axis_name(result), "category"),
        _latency_axis(heights),
        {"load": "load", "series": "percentile", "shown": "latency, ms"},
    )
    return chart(
        "Percentiles of latency",
        drawn,
        alt=f"Percentiles of latency over {axis_name(result)}, {number(min(heights))} to {number(max(heights))} ms.",
        source=f"points[].latency; {_CLIENT}; bars: 95 % intervals by order statistics",
    )


def throughput_chart(result: BenchResult) -> Chart:
    """Throughput over the load, with the range of the windows and the throughput of the comparison."""
    rows: list[Row] = []
    for load, point in zip(load_names(result), result.points, strict=True):
        low, high = point.images_per_second_range
        shown = _with_interval(point.images_per_second, low, high)
        rows.append(
            {
                "x": load,
                "y": point.images_per_second,
                "low": low,
                "high": high,
                "load": str(point.load),
                "shown": shown,
            }
        )
    drawn = lines(
        rows,
        Axis(axis_name(result), "category"),
        Axis("images/s"),
        {"load": "load", "shown": "images/s"},
    )
    if result.comparison is not None:
        speeds = [pair.second.images_per_second for pair in result.comparison.pairs]
        drawn += rule(float(np.median(speeds)), f"for comparison: {result.comparison.second_load}")
    return chart(
        "Throughput",
        drawn,
        alt=f"Throughput over {axis_name(result)}; at best {number(_highest(result))} images/s.",
        source="points[].windows[].images / seconds; bars: from the slowest to the fastest window",
    )


def growth_chart(result: BenchResult) -> Chart | None:
    """Time of a request over its pictures, with the fitted line; None for fewer than three batches."""
    points = _of_one_intensity(result.points)
    fit = fitted_line(points)
    if fit is None:
        return None
    fixed, slope = fit
    batches = [point.load.batch for point in points]
    rows: list[Row] = [
        {
            "x": point.load.batch,
            "y": value,
            "low": low,
            "high": high,
            "shown": _with_interval(value, low, high),
        }
        for point in points
        for name, value, low, high in percentiles(point.latency)
        if name == "p50"
    ]
    line: list[Row] = [
        {"x": float(size), "y": fixed + slope * float(size)}
        for size in np.geomspace(min(batches), max(batches), 40)
    ]
    x, y = Axis("images per request", "log2"), Axis("p50, ms", "log")
    drawn = lines(line, x, y)[:1] + dots(rows, x, y, {"x": "images per request", "shown": "p50, ms"})
    return chart(
        "Growth with the batch",
        drawn,
        alt=f"Median time of a request over its images; the fitted line is {number(fixed)} ms and"
        f" {number(slope)} ms for each image.",
        source=f"points[].latency p50; line: {number(max(0.0, fixed))} ms + {number(slope)} ms × images, least squares"
        " of relative errors",
    )


def fitted_line(points: Sequence[Point]) -> tuple[float, float] | None:
    """Fixed time and time for each image, both in milliseconds, fitted to the medians of different batches.

    Least squares of the relative errors, so that small batches count as much as large ones; the fixed time is not
    negative.

    Returns:
        None for fewer than three batches.
    """
    batches = np.array([point.load.batch for point in points], np.float64)
    if len(set(batches.tolist())) < 3:
        return None
    medians = np.array([next(percentiles(point.latency))[1] for point in points])
    terms = np.stack([1 / medians, batches / medians], axis=1)
    (fixed, slope), *_ = np.linalg.lstsq(terms, np.ones(len(points)), rcond=None)
    if fixed < 0:
        fixed, slope = 0.0, float((terms[:, 1] @ np.ones(len(points))) / (terms[:, 1] @ terms[:, 1]))
    return float(fixed), float(slope)


def time_chart(result: BenchResult) -> Chart | None:
    """Parts of a request's mean latency; None without the server's statistics."""
    if (servers := _servers(result)) is None:
        return None
    rows: list[Row] = []
    for load, point, server in zip(load_names(result), result.points, servers, strict=True):
        parts = {
            "queue": server.queue_ms,
            "inputs": server.compute_input_ms,
            "compute": server.compute_infer_ms,
            "outputs": server.compute_output_ms,
        }
        parts["transport and client"] = max(0.0, point.latency.mean_ms - sum(parts.values()))
        rows += [
            {"x": load, "y": value, "series": name, "load": str(point.load), "shown": number(value)}
            for name, value in parts.items()
        ]
    drawn = bars(
        rows,
        Axis(axis_name(result), "category"),
        Axis("mean per request, ms"),
        {"load": "load", "series": "part", "shown": "ms"},
    )
    return chart(
        "Parts of the mean latency",
        drawn,
        alt=f"Mean time of a request in queue, inputs, computation, outputs and transport over {axis_name(result)}.",
        source="points[].server, the server's own statistics; transport and client: the client's mean less these",
    )


def batch_chart(result: BenchResult) -> Chart | None:
    """Mean size of the server's batches; None without the server's statistics."""
    if (servers := _servers(result)) is None:
        return None
    rows: list[Row] = [
        {"x": load, "y": server.mean_batch, "load": str(point.load), "shown": number(server.mean_batch)}
        for load, point, server in zip(load_names(result), result.points, servers, strict=True)
        if not math.isnan(server.mean_batch)
    ]
    if not rows:
        return None
    drawn = bars(
        rows,
        Axis(axis_name(result), "category"),
        Axis("images per batch"),
        {"load": "load", "shown": "images per batch"},
    )
    return chart(
        "Batches that the server formed",
        drawn,
        alt=f"Mean size of the batches that the server formed over {axis_name(result)}.",
        source="points[].server, inferences / executions",
    )


def pairs_chart(comparison: Comparison) -> Chart:
    """The ratio of each pair of a comparison, and where the two sides are equal."""
    rows: list[Row] = [
        {"x": turn, "y": pair.ratio, "shown": f"{pair.ratio:.3f}"}
        for turn, pair in enumerate(comparison.pairs, 1)
    ]
    drawn = dots(rows, Axis("pair", "near"), Axis("A / B", "near"), {"x": "pair", "shown": "A / B"})
    low, high = comparison.ratio_range
    said = (
        f"from {low:.3f} to {high:.3f}" if comparison.scattered else f"the median is {comparison.ratio:.3f}"
    )
    return chart(
        "Ratio of each pair",
        [*rule(1.0, "equal"), *drawn],
        alt=f"Throughput of A over that of B in {len(comparison.pairs)} pairs; {said}.",
        source="comparison.pairs[], images/s of A / images/s of B, measured in turns",
    )


def axis_name(result: BenchResult) -> str:
    """What varies between the loads, in words."""
    intensities, batches = _varied(result)
    arrivals = "requests in flight" if result.points[0].load.rate is None else "requests/s offered"
    if intensities and batches:
        return f"{arrivals} × images per request"
    return "images per request" if batches else arrivals


def _highest(result: BenchResult) -> float:
    return max(point.images_per_second for point in result.points)


def _with_interval(value: float, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return number(value)
    return f"{number(value)} ({number(low)} to {number(high)})"


def _latency_axis(heights: Sequence[float]) -> Axis:
    return Axis("latency, ms", "log" if max(heights) > LOGARITHMIC_ABOVE * min(heights) else "linear")


def _of_one_intensity(points: Sequence[Point]) -> list[Point]:
    """The points of the concurrency or rate that has the most batches, by batch."""
    by_intensity: dict[float, list[Point]] = {}
    for point in points:
        by_intensity.setdefault(point.load.intensity, []).append(point)
    return sorted(max(by_intensity.values(), key=len), key=lambda point: point.load.batch)


def _servers(result: BenchResult) -> list[ServerTimes] | None:
    servers = [point.server for point in result.points if point.server is not None]
    return servers if len(servers) == len(result.points) else None


def _varied(result: BenchResult) -> tuple[bool, bool]:
    loads = [point.load for point in result.points]
    return len({load.intensity for load in loads}) > 1, len({load.batch for load in loads}) > 1


def load_names(result: BenchResult) -> list[str]:
    """A short name for each load, of what varies between them."""
    intensities, batches = _varied(result)
    loads = [point.load for point in result.points]
    if intensities and batches:
        return [f"{load.intensity:g}×{load.batch}" for load in loads]
    return [f"{load.batch if batches else load.intensity:g}" for load in loads]
