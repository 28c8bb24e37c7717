"""Charts of what a benchmark used: processor time and memory of client, server and stubs."""

from __future__ import annotations

from collections.abc import Callable

from ....reporting import number
from ..documents.resources import ProcessUse
from ..documents.result import BenchResult, SoakResult
from ..documents.windows import Point
from .charts import Axis, Chart, Row, band, bars, chart, lines
from .plots import axis_name, load_names

__all__ = ["memory_chart", "memory_use_chart", "processor_chart", "resource_charts"]


def resource_charts(result: BenchResult) -> list[Chart]:
    """Every chart of resources; none where they were not measured."""
    return [each for each in (processor_chart(result), memory_use_chart(result)) if each is not None]


def processor_chart(result: BenchResult) -> Chart | None:
    """Processor time of client, server and stubs for each image; None where it was not measured."""
    return _process_chart(
        result,
        "Processor time",
        Axis("processor time per image, ms"),
        lambda use, point: use.cpu_seconds * 1e3 / point.images,
        source="points[].resources cpu_seconds / images, user and system time of all threads (psutil)",
    )


def memory_use_chart(result: BenchResult) -> Chart | None:
    """Resident memory of client, server and stubs under each load; None where it was not measured."""
    return _process_chart(
        result,
        "Memory",
        Axis("resident memory, MiB"),
        lambda use, _point: use.memory_bytes / 2**20,
        source="points[].resources memory_bytes (psutil) at the end of a window; shared memory counts in each",
    )


def _process_chart(
    result: BenchResult,
    title: str,
    height: Axis,
    value: Callable[[ProcessUse, Point], float],
    *,
    source: str,
) -> Chart | None:
    rows: list[Row] = [
        {"x": load, "y": used, "series": name, "load": str(point.load), "shown": number(used)}
        for load, point in zip(load_names(result), result.points, strict=True)
        for name, use in _uses(point)
        for used in [value(use, point)]
    ]
    if not rows:
        return None
    tooltip = {"load": "load", "series": "process", "shown": height.title}
    return chart(
        title,
        bars(rows, Axis(axis_name(result), "category"), height, tooltip),
        alt=f"{title} of client, server and stubs over {axis_name(result)}.",
        source=source,
    )


def memory_chart(result: SoakResult) -> Chart:
    """Resident memory over requests, in percent of its settled size."""
    rows: list[Row] = []
    for name in ("server", "client"):
        settled = getattr(result.settled, f"{name}_bytes")
        if settled:
            rows += [
                {
                    "x": sample.requests,
                    "y": 100 * getattr(sample, f"{name}_bytes") / settled,
                    "series": name,
                    "shown": number(100 * getattr(sample, f"{name}_bytes") / settled),
                }
                for sample in result.samples
            ]
    drawn = lines(
        rows,
        Axis("requests"),
        Axis("memory, % of the settled size", "near"),
        {"series": "process", "x": "requests", "shown": "%"},
    )
    return chart(
        "Memory under load",
        [*band(95, 105), *drawn],
        alt=f"Resident memory of client and server over {result.samples[-1].requests} requests.",
        source="soak.samples, resident memory of the processes; grey: within 5 % of the settled size",
    )


def _uses(point: Point) -> list[tuple[str, ProcessUse]]:
    used = point.resources
    if used is None:
        return []
    parts = (("client", used.client), ("server", used.server), ("stubs", used.stubs))
    return [(name, use) for name, use in parts if use is not None]
