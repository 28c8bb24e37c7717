"""Results of benchmarks as JSON documents."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Annotated, Literal

from pydantic import Field as Constraint

from ...bundle.json_documents import Document, read_as
from ..machine import Machine
from .windows import Load, Point, Window

__all__ = ["BenchResult", "Comparison", "MemorySample", "Method", "Pair", "SoakResult", "read_result"]

SCHEMA_VERSION = 1


class Pair(Document):
    """Two consecutive windows, one of each side of a comparison."""

    first: Window
    second: Window

    @property
    def ratio(self) -> float:
        """Throughput of the first over that of the second."""
        return self.first.images_per_second / self.second.images_per_second


class Comparison(Document):
    """Two runners measured in turns, so that a change of the machine's speed affects both.

    Args:
        first, second: descriptions of the runners.
        first_load, second_load: the load of each.
        pairs: in the order of measurement.
        at_least: smallest median ratio that passes; None without a target.
    """

    first: str
    second: str
    first_load: Load
    second_load: Load
    pairs: Annotated[tuple[Pair, ...], Constraint(min_length=1)]
    at_least: float | None = None

    @property
    def ratio(self) -> float:
        """Median over the pairs of throughput of the first over that of the second."""
        return median(pair.ratio for pair in self.pairs)

    @property
    def ratio_range(self) -> tuple[float, float]:
        """The smallest and the largest ratio of a pair."""
        ratios = [pair.ratio for pair in self.pairs]
        return min(ratios), max(ratios)

    @property
    def passed(self) -> bool | None:
        """Whether the median ratio reaches `at_least`; None without a target."""
        return None if self.at_least is None else self.ratio >= self.at_least


class MemorySample(Document):
    """Resident memory after a number of requests.

    Args:
        requests: number of requests that had ended.
        client_bytes: resident memory of the load generator's process.
        server_bytes: sum of the resident memory of the server's process and its children; shared memory counts in
            each. None if the server is not on this machine or not known.
        children_bytes: the part of the children, which are the stubs of Triton's Python backend.
        shared_memory_bytes: size of the regions of POSIX shared memory that these processes have mapped.
    """

    requests: int
    client_bytes: int
    server_bytes: int | None
    children_bytes: int | None = None
    shared_memory_bytes: int | None = None


class SoakResult(Document):
    """Whether memory grows under a long load.

    Args:
        target: the measured runner, as it was given.
        in_flight: number of requests kept in flight.
        batch: images in a request.
        requests: number of requests answered with images.
        errors: message -> number of requests that failed with it.
        cancelled: number of requests that the client took back.
        seconds: duration.
        settled_after: number of requests after which memory should not grow any more.
        samples: in order; the first before any request, the last after all answers.
    """

    target: str
    in_flight: int
    batch: int = 1
    requests: int
    errors: dict[str, int]
    cancelled: int = 0
    seconds: float
    settled_after: int
    samples: Annotated[tuple[MemorySample, ...], Constraint(min_length=3)]

    @property
    def settled(self) -> MemorySample:
        """The sample from which growth is counted."""
        return next(sample for sample in self.samples if sample.requests >= self.settled_after)

    @property
    def client_growth(self) -> float:
        """Relative change of the client's memory from the settled sample to the last one."""
        return self.samples[-1].client_bytes / self.settled.client_bytes - 1

    @property
    def server_growth(self) -> float | None:
        """The same of the server's memory; None if it is not known."""
        return self.growth_of("server_bytes")

    def growth_of(self, figure: str) -> float | None:
        """Relative change of a figure of the samples, such as "children_bytes", from the settled sample to the last.

        Returns:
            The change; None if the figure is not known.
        """
        first, last = getattr(self.settled, figure), getattr(self.samples[-1], figure)
        return last / first - 1 if first and last is not None else None


class Method(Document):
    """The method of a measurement.

    Args:
        scenario: name of the scenario.
        rounds: windows of each load.
        warmup_seconds: duration of the load before each window; it is not counted.
        window_seconds: shortest length of a window.
        first_seed: seed of the first image, if the runner takes seeds; each further image has the next seed.
    """

    scenario: str
    rounds: int
    warmup_seconds: float
    window_seconds: float
    first_seed: int


class BenchResult(Document):
    """One run of the benchmark; written as `bench.json`.

    Args:
        schema_version: of this document.
        target: the measured runner, as it was given.
        runner: description of the runner.
        variant: name of the variant that it runs; empty for a run.
        precision: of the variant; empty if unknown.
        grade: what the variant's pictures promise; empty if unknown.
        kind: "endpoint" if requests overlap, "in-process" if each is computed in the caller's thread.
        measured_at: start, UTC, ISO 8601.
        machine: the client's machine.
        method: how the windows were measured.
        points: one for each load, in the order of the request.
        comparison: with another runner, if requested.
        soak: memory under a long load, if requested.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    target: str
    runner: str
    variant: str = ""
    precision: str = ""
    grade: str = ""
    kind: Literal["endpoint", "in-process"]
    measured_at: str
    machine: Machine
    method: Method
    points: Annotated[tuple[Point, ...], Constraint(min_length=1)]
    comparison: Comparison | None = None
    soak: SoakResult | None = None

    @property
    def best(self) -> Point:
        """The load with the highest throughput."""
        return max(self.points, key=lambda point: point.images_per_second)

    @property
    def quickest(self) -> Point:
        """The load with the smallest median latency."""
        return min(self.points, key=lambda point: point.latency.p50_ms)


def read_result(path: Path) -> BenchResult:
    """Read a `bench.json`.

    Raises:
        SchemaError: the file is not such a document, or has a newer schema.
        IntegrityError: the file is missing or not an ordinary file.
    """
    return read_as(BenchResult, "a result of 'litho bench'", path.parent, path.name, SCHEMA_VERSION)
