"""README's table of measured endpoints."""

from __future__ import annotations

from collections.abc import Iterator

from ..load.documents.result import Comparison, read_result
from ..load.documents.windows import Point
from .base import Results, paragraph, table, three_digits, whole

__all__ = ["write"]

_ENDPOINTS = (("cgan-digits", "`cgan-digits`, 32x32"), ("dcgan64", "DCGAN 64x64x3, untrained"))
"""Beginning of the document's name, and what the table calls the generator."""
_HEAD = ("generator", "clients", "images/s", "p50 ms", "p99 ms", "batch formed", "served / in process")


def write(results: Results) -> dict[str, str]:
    """The table; `unstable`: rows whose windows differ too much; `where`, `machine`: of it."""
    rows: list[tuple[str, ...]] = []
    unstable: list[str] = []
    where: dict[str, None] = {}
    machines: dict[str, None] = {}
    for name, title in _ENDPOINTS:
        result = read_result(results.path(f"{name}-endpoint"))
        machines[f"{result.machine.said}; ONNX Runtime {result.machine.versions['onnxruntime']}"] = None
        rows += _rows(title, result.points, result.comparison)
        shared = f"with {result.machine.cores} cores, which server and client share"
        cores = shared if result.cores is None else result.cores.said("the server", "what asks it")
        where[f"{result.machine.processor}, {cores}"] = None
        unstable += [
            f"{title.split(',')[0]}, clients {point.load.concurrency} (up to {100 * (point.deviation or 0):.0f} %)"
            for point in result.points
            if point.stable is False
        ]
    note = (
        f"Not stable, because their windows differ by more than 10 % from their mean: {', '.join(unstable)}."
    )
    return {
        "": table(_HEAD, rows),
        "unstable": note if unstable else "All rows are stable.",
        "machine": ", or ".join(machines),
        "where": paragraph(f"README's endpoints were measured on {'; '.join(where)}."),
    }


def _rows(title: str, points: tuple[Point, ...], comparison: Comparison | None) -> Iterator[tuple[str, ...]]:
    for number, point in enumerate(points):
        last = comparison if number == len(points) - 1 else None
        yield (
            "" if number else title,
            str(point.load.concurrency),
            whole(point.images_per_second),
            three_digits(point.latency.p50_ms),
            "–" if (p99 := point.latency.p99_ms) is None else three_digits(p99),
            f"{point.server.mean_batch:.1f}" if point.server else "",
            f"{last.ratio:.2f} ({last.ratio_range[0]:.2f} to {last.ratio_range[1]:.2f})" if last else "",
        )
