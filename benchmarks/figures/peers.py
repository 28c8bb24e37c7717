"""Variants against what works without litho: tables of docs/export.md and docs/comparison.md, a sentence of README."""

from __future__ import annotations

from statistics import median

from ...parity.gate import PSNR_MEAN, PSNR_MIN
from ..peers.documents import Peer, Peers, Served, read_peers
from .base import Results, table, three_digits, whole

__all__ = ["write"]

_RUNS = ("dcgan64-emoji", "dcgan-fashion", "cgan-fashion")
_SERVED_RUN = "cgan-digits"
_NNCF = "NNCF INT8 in OpenVINO"
_INT8 = (
    (_NNCF, "NNCF"),
    (f"{_NNCF}, litho's graph", "NNCF, from litho's graph"),
    ("generator.int8.openvino.onnx", "litho"),
)


def write(results: Results) -> dict[str, str]:
    """The table and machine of the first run, INT8 in three runs, what README says of the first, and the servers."""
    runs = [read_peers(results.path(f"peers-{name}")) for name in _RUNS]
    first = runs[0]
    recommended = first.peer(first.recommended)
    others = [peer for peer in first.peers if peer.kind == "peer" and peer.timings]
    best = [max(peer.speed(timing.batch) for peer in others) for timing in recommended.timings]
    return {
        "": _table(first),
        "processor": first.machine.processor,
        "int8": _int8(runs),
        "recommended": _listed([timing.images_per_second for timing in recommended.timings]),
        "recommended-psnr": _decibels(recommended, PSNR_MIN),
        "best": _listed(best),
        "ratios": _ratios(first),
        "served": _served(read_peers(results.path(f"peers-{_SERVED_RUN}")).served),
        "nncf-psnr": _decibels(first.peer(f"{_NNCF}, default hint"), PSNR_MIN),
    }


def _table(peers: Peers) -> str:
    batches = [timing.batch for timing in peers.peer(peers.recommended).timings]
    head = ["", "gate", "PSNR min (dB)", "mean", f"images/s at batch {batches[0]}", *map(str, batches[1:])]
    rows = [
        (
            _name(peer, recommended=peer.name == peers.recommended),
            peer.verdict.status,
            _decibels(peer, PSNR_MIN),
            _decibels(peer, PSNR_MEAN),
            *(whole(timing.images_per_second) for timing in peer.timings),
        )
        for peer in peers.peers
        if peer.timings
    ]
    return table(head, rows)


def _int8(runs: list[Peers]) -> str:
    head = (
        "run",
        "INT8 in OpenVINO by",
        "PSNR min (dB)",
        "mean",
        "times NNCF's images/s at batch 1",
        "8",
        "32",
    )
    rows = [
        (
            f"`{peers.preset}`",
            title,
            _decibels(peers.peer(name), PSNR_MIN),
            _decibels(peers.peer(name), PSNR_MEAN),
            *(
                f"{timing.images_per_second / peers.peer(_NNCF).speed(timing.batch):.2f}"
                for timing in peers.peer(name).timings
            ),
        )
        for peers in runs
        for name, title in _INT8
    ]
    return table(head, rows)


def _ratios(peers: Peers) -> str:
    """What the recommended variant gains over the best peer whose pictures passed, at each batch."""
    sentences = []
    for timing in peers.peer(peers.recommended).timings:
        batch = timing.batch
        ratio, best = peers.ratio(batch), peers.best_peer(batch).name
        # Documents without rounds have no interval.
        words = str(ratio) if ratio.low < ratio.high else f"{ratio.value:.2f}"
        sentences.append(f"{words} at batch {batch} ({best})")
    return ", ".join(sentences)


def _served(served: Served | None) -> str:
    if served is None:
        return "Not measured yet."
    own, *others = served.peers
    head = [
        "server",
        "clients",
        "images/s",
        "p50 (ms)",
        "p99 (ms)",
        "CPU ms an image",
        "litho's images/s over it",
    ]
    rows = [
        (
            peer.name,
            str(load.clients),
            whole(median(window.images_per_second for window in load.windows)),
            three_digits(median(window.p50_ms for window in load.windows)),
            "–" if load.p99_ms is None else three_digits(load.p99_ms),
            three_digits(median(window.cpu_ms for window in load.windows)),
            "" if peer is own else str(own.times(peer, load.clients)),
        )
        for load_number, _ in enumerate(own.loads)
        for peer in (own, *others)
        for load in (peer.loads[load_number],)
    ]
    lines = [table(head, rows), ""]
    for peer in (own, *others):
        versions = ", ".join(f"{name} {one}" for name, one in peer.versions.items())
        judged = "" if peer.verdict.status == "passed" else f"; its pictures {peer.verdict.status}"
        lines.append(f"- {peer.name}: {peer.settings}{judged} ({versions}).")
    lines += [f"- {one.name} was not measured: {one.reason}." for one in served.not_measured]
    return "\n".join(lines)


def _name(peer: Peer, *, recommended: bool) -> str:
    name = f"`{peer.name}`" if peer.kind == "variant" else peer.name
    return f"**{name}**" if recommended else name


def _decibels(peer: Peer, metric: str) -> str:
    values = [one.value for one in peer.verdict.figures if one.metric == metric and not one.bank]
    return f"{values[0]:.1f}" if values else "–"


def _listed(speeds: list[float]) -> str:
    *first, last = map(whole, speeds)
    return f"{', '.join(first)} and {last}"
