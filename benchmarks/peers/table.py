"""A comparison with peers in Markdown, as the command prints it."""

from __future__ import annotations

from statistics import median

from ...bundle.manifest import Verdict
from ...parity.gate import PSNR_MEAN, PSNR_MIN
from ...reporting.markdown import markdown_table
from .documents import NotMeasured, Peers, Served

__all__ = ["rows", "served_rows"]


def rows(peers: Peers) -> list[str]:
    """The group in this process: the table, and the ratios below it."""
    table = []
    for peer in peers.peers:
        table.append(
            (
                f"**{peer.name}**" if peer.name == peers.recommended else peer.name,
                peer.precision,
                peer.verdict.status,
                *(_decibels(peer.verdict, metric) for metric in (PSNR_MIN, PSNR_MEAN)),
                *([f"{timing.images_per_second:,.0f}" for timing in peer.timings] or ["–"] * 3),
            )
        )
    columns = ("", "precision", "gate", "PSNR min (dB)", "mean", "images/s at 1", "at 8", "at 32")
    lines = [*markdown_table(columns, table), ""]
    lines += [_ratios(peers, timing.batch) for timing in peers.peer(peers.recommended).timings]
    return [*lines, *_missing(peers.not_measured)]


def _ratios(peers: Peers, batch: int) -> str:
    plain = peers.best_peer(batch, precision="fp32")
    fastest = peers.best_peer(batch)
    rewritten = ", ".join(f"{name} {ratio}" for name, ratio in peers.rewritten(batch).items())
    line = (
        f"At batch {batch} the recommended variant is {peers.ratio(batch, precision='fp32')} times as fast as the best"
        f" FP32 peer, {plain.name}, and {peers.ratio(batch)} times as fast as the best peer, {fastest.name}"
    )
    return (
        f"{line}; FP32 with graph passes against the plain graph: {rewritten}." if rewritten else f"{line}."
    )


def served_rows(served: Served) -> list[str]:
    """The served group: a table for each number of clients, and litho's ratios to the others."""
    own, *others = served.peers
    table = []
    for peer in served.peers:
        for load in peer.loads:
            images, p50, flight, cpu = (
                median([getattr(window, name) for window in load.windows])
                for name in ("images_per_second", "p50_ms", "in_flight", "cpu_ms")
            )
            p99 = "–" if load.p99_ms is None else f"{load.p99_ms:.1f}"
            ratio = "1" if peer is own else str(own.times(peer, load.clients))
            figures = (f"{images:,.0f}", f"{p50:.2f}", p99, f"{flight:.2f}", f"{cpu:.2f}", ratio)
            table.append((peer.name, peer.verdict.status, str(load.clients), *figures))
    columns = (
        "server",
        "pictures",
        "clients",
        "images/s",
        "p50 (ms)",
        "p99 (ms)",
        "in flight",
        "CPU ms an image",
        "litho's images/s over these",
    )
    lines = markdown_table(columns, table)
    lines += ["", *(f"{peer.name}: {peer.settings}" for peer in (own, *others))]
    return [*lines, *_missing(served.not_measured)]


def _missing(peers: tuple[NotMeasured, ...]) -> list[str]:
    return [f"Not measured: {one.name}, as {one.reason}." for one in peers]


def _decibels(verdict: Verdict, metric: str) -> str:
    values = [figure.value for figure in verdict.figures if figure.metric == metric and not figure.bank]
    return f"{values[0]:.1f}" if values else "–"
