"""What was measured of the gateway; written as `gateway.json`, and by the fuzzer as `gateway-fuzz.json`."""

from __future__ import annotations

from typing import Literal

from ...bundle.json_documents import Document
from ..shared.cores import Cores
from ..shared.machine import Machine
from ..shared.paired import Ratio

__all__ = [
    "LEAST_THROUGHPUT",
    "MOST_GROWTH",
    "MOST_P50_MORE_MS",
    "Connections",
    "Fuzz",
    "Fuzzes",
    "GatewayResult",
    "KeyTimes",
    "Memory",
    "MemorySample",
    "Overhead",
    "Way",
]

LEAST_THROUGHPUT = 0.90
"""Least throughput of the gateway's tensors, as a share of that of direct gRPC."""
MOST_P50_MORE_MS = 5.0
MOST_GROWTH = 0.05
"""Largest growth of resident memory after it has settled, as a share."""


class Way(Document):
    """One window of one way to the model.

    Args:
        throughput: pictures per second.
        p50_ms, p95_ms: latency of a request, in milliseconds.
        requests: answered in the window.
        errors: message -> requests that failed with it.
        gateway_cpu_ms: processor time of the gateway for one picture, in milliseconds; 0 without it.
        client_cpu_ms: the same of the load generator.
    """

    throughput: float
    p50_ms: float
    p95_ms: float
    requests: int
    errors: dict[str, int]
    gateway_cpu_ms: float
    client_cpu_ms: float


class Overhead(Document):
    """A model asked directly and through the gateway, in turns.

    Args:
        model: its name.
        variant: that was served.
        clients: requests kept in flight.
        rounds: name of the way -> its windows, in the order of measurement.
        throughput: name of a way through the gateway -> its throughput over that of direct gRPC.
        p50_more_ms: name of a way through the gateway -> median over the rounds of its p50 less that of direct gRPC.
        png_ms: processor time to encode one picture of the model as PNG, in milliseconds.
        same_pictures: whether the pictures of both ways through the gateway were those of direct gRPC.
        cores: of the server, and of gateway and clients; None where all shared all.
    """

    model: str
    variant: str
    clients: int
    rounds: dict[str, tuple[Way, ...]]
    throughput: dict[str, Ratio]
    p50_more_ms: dict[str, float]
    png_ms: float
    same_pictures: bool
    cores: Cores | None = None

    @property
    def name(self) -> str:
        """The model, and whether the server had cores of its own."""
        return self.model if self.cores is None else f"{self.model}, server on cores of its own"

    @property
    def problems(self) -> list[str]:
        """What misses its limit; empty if nothing."""
        found = [f"{way}: {one.errors}" for way, ways in self.rounds.items() for one in ways if one.errors]
        if not self.same_pictures:
            found.append("a picture through the gateway is not that of direct gRPC")
        judged = "tensors" if "tensors" in self.throughput else "images"
        if self.throughput[judged].value < LEAST_THROUGHPUT:
            found.append(
                f"{judged}: {self.throughput[judged]} of the throughput, at least {LEAST_THROUGHPUT}"
            )
        if self.p50_more_ms[judged] > MOST_P50_MORE_MS:
            found.append(f"{judged}: p50 {self.p50_more_ms[judged]:.1f} ms more, at most {MOST_P50_MORE_MS}")
        return found


class Connections(Document):
    """Connections that do nothing or little, and what others saw meanwhile.

    Args:
        idle, slow: connections that were opened of each kind.
        idle_held: of the idle ones, how many answered a request in the end.
        slow_outcomes: status or ending -> slow connections.
        seconds: how long they stayed.
        p50_before_ms, p50_meanwhile_ms: latency of ordinary requests one after the other, in milliseconds.
        failed: of them, meanwhile.
    """

    idle: int
    slow: int
    idle_held: int
    slow_outcomes: dict[str, int]
    seconds: float
    p50_before_ms: float
    p50_meanwhile_ms: float
    failed: int

    @property
    def problems(self) -> list[str]:
        """What went wrong; empty if nothing."""
        found = []
        if self.idle_held < self.idle:
            found.append(f"{self.idle - self.idle_held} of {self.idle} idle connections were lost")
        if self.failed:
            found.append(f"{self.failed} ordinary requests failed meanwhile")
        if lost := sum(count for ending, count in self.slow_outcomes.items() if ending.startswith("lost")):
            found.append(f"{lost} slow connections ended without an answer")
        return found


class MemorySample(Document):
    """The gateway's resident memory after so many requests."""

    requests: int
    resident_bytes: int


class Memory(Document):
    """Memory over many requests.

    Args:
        requests: sent in all.
        errors: message -> requests that failed with it.
        samples: in order.
        settled_after: requests after which it counts as settled.
    """

    requests: int
    errors: dict[str, int]
    samples: tuple[MemorySample, ...]
    settled_after: int

    @property
    def growth(self) -> float:
        """Share by which it grew after it had settled."""
        settled = next(one for one in self.samples if one.requests >= self.settled_after)
        return self.samples[-1].resident_bytes / settled.resident_bytes - 1

    @property
    def problems(self) -> list[str]:
        """What went wrong; empty if nothing."""
        found = [f"{count} requests failed: {message}" for message, count in self.errors.items()]
        if self.growth > MOST_GROWTH:
            found.append(f"memory grew by {self.growth:.1%}, at most {MOST_GROWTH:.0%}")
        return found


class KeyTimes(Document):
    """How long the gateway takes for a key, by how the key relates to those in its file.

    Args:
        where: "check", the check alone, or "http", a refused request as a client sees it.
        rounds: of measurement.
        median_us: kind of key -> median time in microseconds.
        difference_us: pair of kinds -> median difference within a round, and its 95 % interval, in microseconds.
    """

    where: Literal["check", "http"]
    rounds: int
    median_us: dict[str, float]
    difference_us: dict[str, tuple[float, float, float]]

    @property
    def problems(self) -> list[str]:
        """Pairs whose interval does not hold 0, and whose difference is more than 1 % of the time it takes."""
        least = min(self.median_us.values())
        return [
            f"{pair}: {middle:+.3f} us ({low:+.3f} to {high:+.3f})"
            for pair, (middle, low, high) in self.difference_us.items()
            if not low <= 0 <= high and abs(middle) > 0.01 * least
        ]


class GatewayResult(Document):
    """All parts that were measured.

    Args:
        schema_version: of this document.
        overhead: of each model.
        connections, memory: None if not measured.
        keys: timing; empty if not measured.
        machine: where it was measured.
    """

    schema_version: Literal[1] = 1
    overhead: tuple[Overhead, ...] = ()
    connections: Connections | None = None
    memory: Memory | None = None
    keys: tuple[KeyTimes, ...] = ()
    machine: Machine

    @property
    def problems(self) -> list[str]:
        """What missed its limit, of all parts."""
        parts = (*self.overhead, self.connections, self.memory, *self.keys)
        return [problem for part in parts if part is not None for problem in part.problems]


class Fuzz(Document):
    """One run of schemathesis.

    Args:
        seed: of its choice.
        cases: requests that it generated and judged.
        operations: that it tested.
        failures: operation and what was wrong, in a line each.
    """

    seed: int
    cases: int
    operations: int
    failures: tuple[str, ...]


class Fuzzes(Document):
    """All runs; written as `gateway-fuzz.json`.

    Args:
        schema_version: of this document.
        models: that were served.
        runs: in order.
        answers: class of status such as "2xx" -> answers.
        problems: what went wrong beside the failures of the runs; empty if nothing.
        machine: where it was measured.
    """

    schema_version: Literal[1] = 1
    models: tuple[str, ...]
    runs: tuple[Fuzz, ...]
    answers: dict[str, int]
    problems: tuple[str, ...]
    machine: Machine

    @property
    def cases(self) -> int:
        """Cases of all runs."""
        return sum(run.cases for run in self.runs)
