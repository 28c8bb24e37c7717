"""The roofline of a result: what the machine allows a generator, and what each load reached."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....reporting import number
from ...roofline.ceilings import Ceilings
from ..documents.result import BenchResult
from .charts import Axis, Chart, Layer, Row, chart, dots, lines

__all__ = ["ROOFLINE_AXES", "roofline_chart", "roofs"]

ROOFLINE_AXES = Axis("operations for each byte", "log"), Axis("G operations/s", "log")
_GREY = "#8b939e"
_POINTS = 25
"""Points of a roof, at equal distances of the logarithm."""


def roofs(
    ceilings: Ceilings, runtime: str, precisions: Sequence[str], between: tuple[float, float]
) -> list[Layer]:
    """The roof of each precision, below main memory's bandwidth; dashed, that of the caches.

    Args:
        ceilings: of the machine.
        runtime: whose peaks are drawn.
        precisions: series of the chart, in their order.
        between: smallest and largest operations for each byte.
    """
    spread = np.geomspace(*between, _POINTS).tolist()
    memory, cache = ceilings.memory.per_second, ceilings.bandwidth(0).per_second
    peaks = {name: ceilings.peak(runtime, name).per_second for name in precisions}
    below: list[Row] = [
        {"x": x, "y": min(x * memory, peak) / 1e9, "series": name}
        for name, peak in peaks.items()
        for x in spread
    ]
    x, y = ROOFLINE_AXES
    cached = [{"x": at, "y": min(at * cache, max(peaks.values())) / 1e9} for at in spread]
    dashed: Layer = {
        "data": {"values": cached},
        "mark": {"type": "line", "strokeDash": [5, 4], "color": _GREY, "aria": False},
        "encoding": {"x": x.channel("x"), "y": y.channel("y")},
    }
    return [dashed, *lines(below, x, y)[:-1]]


def roofline_chart(result: BenchResult) -> Chart | None:
    """What each load reached, below the roofs of the variant's precisions; None where that was not measured."""
    found = result.roofline
    if found is None:
        return None
    main = found.main
    names = list(dict.fromkeys(name for stage in found.stages for name in stage.work.operations))
    points: list[Row] = [
        {
            "x": one.intensity,
            "y": one.per_second / 1e9,
            "series": max(main.work.operations, key=main.work.operations.__getitem__),
            "load": str(point.load),
            "rate": f"{number(one.per_second / 1e9)} G/s",
            "share": f"{one.share:.0%} of what {one.bound} allows",
            "batch": str(one.batch),
        }
        for point, one in zip(result.points, found.points, strict=True)
    ]
    ends = [one.intensity for one in found.points]
    tips = {"load": "load", "rate": "reached", "share": "share", "batch": "batch formed"}
    ceilings = found.ceilings
    return chart(
        f"Roofline of {main.runtime}",
        [
            *roofs(ceilings, main.runtime, names, (min(ends) / 8, max(ends) * 8)),
            *dots(points, *ROOFLINE_AXES, tips),
        ],
        alt=f"Operations a second over operations for each byte of {len(points)} loads; the best reaches"
        f" {max(one.share for one in found.points):.0%} of what the machine allows.",
        source="roofline: operations and least bytes counted from the graphs, images/s of points[]; full lines: peak"
        f" of each precision and bandwidth of main memory ({number(ceilings.memory.per_second / 1e9)} GB/s); dashed:"
        f" bandwidth of the caches ({number(ceilings.bandwidth(0).per_second / 1e9)} GB/s)",
    )
