"""What a result says besides its table of loads, as names and values: pictures checked, goodput, resources, cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....reporting import format_count, human_bytes, number
from ..documents.result import BenchResult
from ..documents.windows import Point

__all__ = ["facts", "front"]


def facts(result: BenchResult) -> list[tuple[str, str]]:
    """Names and values of what was measured and has no column in the table; nothing for what was not measured."""
    return [*_of_points(result), *_of_result(result)]


def _of_points(result: BenchResult) -> Iterator[tuple[str, str]]:
    for index, point in enumerate(result.points):
        roofline = result.roofline.points[index] if result.roofline else None
        reached = [f"{roofline.share:.0%} of what {roofline.bound} allows"] if roofline else []
        shown = "; ".join([*_shown(point), *reached])
        if shown:
            yield str(point.load), shown


def _shown(point: Point) -> Iterator[str]:
    if point.achieved_in_flight is not None and point.wanted_in_flight is not None:
        yield f"{point.achieved_in_flight:.2f} of {point.wanted_in_flight} in flight"
    if point.offered_rate is not None:
        yield f"{number(point.offered_rate)} requests/s offered, sent {number(point.late_ms or 0.0)} ms late"
    if point.quality is not None:
        wrong = point.quality.wrong or "none"
        yield f"{format_count(point.quality.pictures)} pictures checked, {wrong} wrong"
    if point.goodput is not None:
        good = point.goodput
        yield (
            f"{number(good.images_per_second)} images/s within {good.slo_ms:g} ms,"
            f" {good.share:.1%} of the requests"
        )
    if point.steps_per_second is not None:
        yield f"{number(point.steps_per_second)} steps/s"
    if point.first_preview is not None:
        yield f"first preview after {number(point.first_preview.p50_ms)} ms"
    used = point.resources
    if used is not None and used.server is not None and used.stubs is not None:
        cores = [part.cpu_seconds / used.seconds for part in (used.client, used.server, used.stubs)]
        yield "cores: client {:.2f}, server {:.2f}, stubs {:.2f}".format(*cores)
    if used is not None and used.gpu is not None and point.joules_per_1000_images is not None:
        yield (
            f"GPU: {human_bytes(used.gpu.memory_bytes)}, {number(used.gpu.watts)} W,"
            f" {number(point.joules_per_1000_images)} J for 1,000 images"
        )


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other one beats: none has as many images/s at as low a median latency, and more of either."""

    def beats(one: Point, other: Point) -> bool:
        speed, time = one.images_per_second, one.latency.p50_ms
        same = (speed, time) == (other.images_per_second, other.latency.p50_ms)
        return not same and speed >= other.images_per_second and time <= other.latency.p50_ms

    return [point for point in points if not any(beats(other, point) for other in points)]


def _of_result(result: BenchResult) -> Iterator[tuple[str, str]]:
    if len(result.counting) > 1:
        best = "; ".join(str(point.load) for point in front(result.counting))
        yield "on the front", f"{best}: no other load has more images/s at a lower p50"
    checked = next((point.quality for point in result.points if point.quality is not None), None)
    if checked is not None:
        yield "pictures checked against", f"{checked.against}, by the limits of {checked.precision}"
    if result.cores is not None:
        yield "cores", result.cores.said("the server", "what asks it")
    if result.cost is not None:
        cost = result.cost
        source = f", {cost.source}" if cost.source not in ("", "--price") else ""
        price = f"{cost.per_1000_images:.3g} {cost.currency}".strip()
        yield "1,000 images cost", f"{price} at {cost.per_hour:g} an hour{source}, always busy"
    if result.cold_start_seconds is not None:
        yield "opened and first picture made in", f"{result.cold_start_seconds:.2f} s"
    for file, size in result.sizes.items():
        built = result.build_seconds.get(file)
        yield file, human_bytes(size) + (f", built in {built:g} s" if built is not None else "")
