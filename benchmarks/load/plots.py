"""Plots of a benchmark result."""

from __future__ import annotations

from typing import Any

from ...reporting import BLUE, GREEN, GREY, ORANGE, Chart, plot
from .documents import BenchResult, SoakResult
from .windows import ServerTimes

__all__ = ["batch_chart", "latency_chart", "memory_chart", "throughput_chart", "time_chart"]

LOGARITHMIC_ABOVE = 30
"""Ratio of the slowest p99 to the lowest median above which the axis is logarithmic."""


def latency_chart(result: BenchResult) -> Chart:
    """Percentiles of latency over the load."""

    def draw(axes: Any) -> None:
        for name, colour, marker in (("p99", ORANGE, "^"), ("p90", GREEN, "s"), ("p50", BLUE, "o")):
            known = (getattr(point.latency, f"{name}_ms") for point in result.points)
            heights = [float("nan") if height is None else height for height in known]
            axes.plot(range(len(heights)), heights, color=colour, marker=marker, markersize=4.5, label=name)
        _loads(axes, result)
        axes.set_ylabel("latency, ms")
        if highest > LOGARITHMIC_ABOVE * lowest:
            axes.set_yscale("log")
            axes.yaxis.get_major_locator().set_params(subs=(1, 2, 5))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("")
        else:
            axes.set_ylim(bottom=0)

    lowest = min(point.latency.p50_ms for point in result.points)
    highest = max(point.latency.p99_ms or point.latency.max_ms for point in result.points)
    return plot(
        draw, f"Latency at p50, p90 and p99 over {axis_name(result)}, {lowest:.3g} to {highest:.3g} ms."
    )


def throughput_chart(result: BenchResult) -> Chart:
    """Throughput over the load, with the range of the windows and the throughput of the comparison."""

    def draw(axes: Any) -> None:
        heights = [point.images_per_second for point in result.points]
        ranges = [point.images_per_second_range for point in result.points]
        below = [max(0.0, height - low) for height, (low, _) in zip(heights, ranges, strict=True)]
        above = [max(0.0, high - height) for height, (_, high) in zip(heights, ranges, strict=True)]
        axes.errorbar(
            range(len(heights)),
            heights,
            (below, above),
            color=BLUE,
            marker="o",
            markersize=4.5,
            capsize=3,
            label="measured",
        )
        if result.comparison is not None:
            speeds = [pair.second.images_per_second for pair in result.comparison.pairs]
            label = f"compared with: {result.comparison.second_load}"
            axes.axhline(sorted(speeds)[len(speeds) // 2], color=ORANGE, linestyle="--", label=label)
        _loads(axes, result)
        axes.set_ylabel("images/s")
        axes.set_ylim(bottom=0)

    best = max(point.images_per_second for point in result.points)
    return plot(draw, f"Throughput over {axis_name(result)}; at best {best:.0f} images/s.")


def time_chart(result: BenchResult) -> Chart | None:
    """Parts of a request's mean latency; None without the server's statistics."""
    if (servers := _servers(result)) is None:
        return None
    queue = [server.queue_ms for server in servers]
    compute = [server.compute_ms for server in servers]
    rest = [
        max(0.0, point.latency.mean_ms - waiting - busy)
        for point, waiting, busy in zip(result.points, queue, compute, strict=True)
    ]
    parts = (("compute", compute, BLUE), ("queue", queue, ORANGE), ("transport and client", rest, GREY))

    def draw(axes: Any) -> None:
        bottom = [0.0] * len(rest)
        for name, heights, colour in parts:
            axes.bar(range(len(heights)), heights, 0.62, bottom=bottom, color=colour, label=name)
            bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
        _loads(axes, result)
        axes.set_ylabel("mean per request, ms")

    return plot(draw, f"Mean time of a request in queue, computation and transport over {axis_name(result)}.")


def batch_chart(result: BenchResult) -> Chart | None:
    """Mean size of the server's batches; None without the server's statistics."""
    if (servers := _servers(result)) is None:
        return None

    def draw(axes: Any) -> None:
        bars = axes.bar(range(len(servers)), [server.mean_batch for server in servers], 0.62, color=GREEN)
        axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=9)
        _loads(axes, result)
        axes.set_ylabel("images per batch")

    return plot(draw, f"Mean size of the batches that the server formed over {axis_name(result)}.")


def memory_chart(result: SoakResult) -> Chart:
    """Resident memory over requests, in percent of its settled size."""

    def draw(axes: Any) -> None:
        count = [sample.requests for sample in result.samples]
        for name, colour, marker in (("server", ORANGE, "^"), ("client", BLUE, "o")):
            settled = getattr(result.settled, f"{name}_bytes")
            if settled:
                shares = [100 * getattr(sample, f"{name}_bytes") / settled for sample in result.samples]
                axes.plot(count, shares, color=colour, marker=marker, markersize=3.5, label=name)
        axes.axhspan(95, 105, color=GREY, alpha=0.15, linewidth=0, label="within 5 %")
        axes.axvline(result.settled_after, color=GREY, linestyle=":", linewidth=1)
        axes.set_xlabel("requests")
        axes.set_ylabel("memory, % of the settled size")

    return plot(draw, f"Resident memory of client and server over {result.samples[-1].requests} requests.")


def axis_name(result: BenchResult) -> str:
    """What varies between the loads, in words."""
    concurrencies, batches = _varied(result)
    if concurrencies and batches:
        return "concurrency × batch"
    return "images per request" if batches else "requests in flight"


def _servers(result: BenchResult) -> list[ServerTimes] | None:
    servers = [point.server for point in result.points if point.server is not None]
    return servers if len(servers) == len(result.points) else None


def _varied(result: BenchResult) -> tuple[bool, bool]:
    loads = [point.load for point in result.points]
    return len({load.concurrency for load in loads}) > 1, len({load.batch for load in loads}) > 1


def _loads(axes: Any, result: BenchResult) -> None:
    concurrencies, batches = _varied(result)
    loads = [point.load for point in result.points]
    if concurrencies and batches:
        names = [f"{load.concurrency}×{load.batch}" for load in loads]
    else:
        names = [str(load.batch if batches else load.concurrency) for load in loads]
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xlabel(axis_name(result))
