"""What both load generators measured of the same servers; written as `perf-analyzer.json`."""

from __future__ import annotations

from statistics import median
from typing import Literal

from ...bundle.json_documents import Document
from ...reporting.markdown import markdown_table
from ..shared.cores import Cores
from ..shared.machine import Machine

__all__ = [
    "NEAR",
    "NEAR_P99",
    "Compared",
    "PerfAnalyzerResult",
    "Protocol",
    "Round",
    "Side",
    "lines",
]

Protocol = Literal["grpc", "http"]

NEAR, NEAR_P99, HELD = 0.05, 0.15, 0.98
"""How far ratios of throughput and p50, and of p99, may be from 1; share of the clients that is kept in flight."""

_COUNTED = {
    "server_requests_per_second": "throughput by the server's count",
    "server_mean_batch": "batch formed",
    "server_ms": "time inside the server",
}
"""Figures of the server and their heads."""


class Side(Document):
    """What one tool measured.

    Args:
        requests_per_second: throughput.
        p50_ms, p99_ms: of the latency of requests.
        server_requests_per_second: what the server counted itself in the middle of the load; None in documents of
            older releases, and where it was too short.
        server_mean_batch: pictures of a batch that the server formed meanwhile.
        server_ms: mean time of a request inside the server, from its queue to its output, in milliseconds.
        client_cpu_us: processor time of the tool for one request that the server counted, in microseconds.
    """

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    server_requests_per_second: float | None = None
    server_mean_batch: float | None = None
    server_ms: float | None = None
    client_cpu_us: float | None = None

    def ratio(self, other: Side, figure: str) -> float:
        """This / the other."""
        return getattr(self, figure) / getattr(other, figure)


class Round(Document):
    """Both tools, one after the other.

    Args:
        litho, perf_analyzer: what each measured.
        in_flight: requests that litho kept in flight, on the average.
        client_cpu_us: processor time of litho's load generator for one request, in microseconds.
    """

    litho: Side
    perf_analyzer: Side
    in_flight: float
    client_cpu_us: float

    def ratio(self, figure: str) -> float:
        """litho / perf_analyzer."""
        return self.litho.ratio(self.perf_analyzer, figure)


class Compared(Document):
    """One bundle over one protocol with one number of clients.

    Args:
        bundle: its name.
        variant: that was served.
        protocol: "grpc" or "http".
        clients: requests to keep in flight.
        rounds: in the order of measurement.
    """

    bundle: str
    variant: str
    protocol: Protocol
    clients: int
    rounds: tuple[Round, ...]

    def ratio(self, figure: str) -> float:
        """Median over the rounds of litho / perf_analyzer."""
        return median(one.ratio(figure) for one in self.rounds)

    def server_ratio(self, figure: str = "server_requests_per_second") -> float | None:
        """Median of litho / perf_analyzer of what the server counted; None in documents of older releases."""
        pairs = [(getattr(one.litho, figure), getattr(one.perf_analyzer, figure)) for one in self.rounds]
        ratios = [ours / theirs for ours, theirs in pairs if ours is not None and theirs is not None]
        return median(ratios) if ratios else None

    def their_cpu_us(self) -> float | None:
        """Median of perf_analyzer's processor time for a request, in microseconds; None in older documents."""
        known = [one.perf_analyzer.client_cpu_us for one in self.rounds]
        return median(filter(None, known)) if any(known) else None

    @property
    def in_flight(self) -> float:
        """Median share of the clients that litho kept in flight."""
        return median(one.in_flight for one in self.rounds) / self.clients

    @property
    def misses(self) -> tuple[str, ...]:
        """What is beyond its bound; empty if everything is within."""
        bounds = {"requests_per_second": NEAR, "p50_ms": NEAR, "p99_ms": NEAR_P99}
        found = [
            f"{figure} {self.ratio(figure):.3f}, not within {bound:.0%}"
            for figure, bound in bounds.items()
            if not abs(self.ratio(figure) - 1) <= bound
        ]
        if self.clients > 1 and self.in_flight < HELD:
            found.append(f"{self.in_flight:.3f} of the clients in flight, below {HELD}")
        return tuple(found)


class PerfAnalyzerResult(Document):
    """All comparisons; written as `perf-analyzer.json`.

    Args:
        schema_version: of this document.
        command: that made it, without paths.
        seconds: length of each measurement.
        compared: of all bundles, protocols and numbers of clients.
        machine: where they were measured.
        cores: of the server and of the tools; None where they shared all.
    """

    schema_version: Literal[1] = 1
    command: str
    seconds: float
    compared: tuple[Compared, ...]
    machine: Machine
    cores: Cores | None = None

    @property
    def passed(self) -> bool:
        """Whether everything is within its bounds."""
        return not any(one.misses for one in self.compared)


def lines(result: PerfAnalyzerResult) -> list[str]:
    """A table in Markdown: medians over the rounds of litho / perf_analyzer."""
    rows = [
        (
            one.bundle,
            one.protocol,
            str(one.clients),
            f"{median(each.perf_analyzer.requests_per_second for each in one.rounds):,.0f}",
            *(f"{one.ratio(figure):.3f}" for figure in ("requests_per_second", "p50_ms", "p99_ms")),
            f"{one.in_flight:.3f}",
            f"{median(each.client_cpu_us for each in one.rounds):.0f}",
            _known(one.their_cpu_us(), ".0f"),
            *(_known(one.server_ratio(figure), ".3f") for figure in _COUNTED),
            "; ".join(one.misses) or "within",
        )
        for one in result.compared
    ]
    heads = (
        "bundle",
        "protocol",
        "clients",
        "perf_analyzer, requests/s",
        "throughput",
        "p50",
        "p99",
        "in flight",
    )
    more = ("client CPU, µs", "perf_analyzer's CPU, µs", *_COUNTED.values(), "bounds")
    return markdown_table((*heads, *more), rows)


def _known(figure: float | None, form: str) -> str:
    return "" if figure is None else format(figure, form)
