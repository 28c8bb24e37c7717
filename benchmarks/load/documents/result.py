"""Results of benchmarks as JSON documents."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

from pydantic import Field as Constraint, model_validator

from ....bundle.json_documents import Document, read_as
from ...roofline.served import ServedRoofline
from ...shared.cores import Cores
from ...shared.environment import Environment
from ...shared.machine import Machine
from .windows import Load, Point, Window

__all__ = ["BenchResult", "Comparison", "Cost", "MemorySample", "Method", "Pair", "SoakResult", "read_result"]

SCHEMA_VERSION = 2
_SCATTERED = 1.5


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
        first_variant, second_variant: names of the variants compared; empty for a run, and in schema 1.
        problems: why a side counts for nothing, such as wrong pictures; empty if both count.
    """

    first: str
    second: str
    first_load: Load
    second_load: Load
    pairs: Annotated[tuple[Pair, ...], Constraint(min_length=1)]
    at_least: float | None = None
    first_variant: str = ""
    second_variant: str = ""
    problems: tuple[str, ...] = ()

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
    def scattered(self) -> bool:
        """Whether the ratios of the pairs differ too much for their median to say anything."""
        low, high = self.ratio_range
        return high > _SCATTERED * low

    @property
    def passed(self) -> bool | None:
        """Whether the median ratio reaches `at_least` and both sides count; None without a target."""
        return None if self.at_least is None else self.ratio >= self.at_least and not self.problems


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


class Cost(Document):
    """What pictures cost on a machine with a price.

    Args:
        per_hour: price of the machine for an hour.
        currency: of the prices, such as "USD"; empty if it was not said.
        source: where the price comes from.
        images_per_second: the throughput that it was computed with, at the load with the highest.
    """

    per_hour: Annotated[float, Constraint(gt=0)]
    currency: str = ""
    source: str = ""
    images_per_second: Annotated[float, Constraint(gt=0)]

    @property
    def per_1000_images(self) -> float:
        """Price of 1,000 images on a machine that is always busy."""
        return self.per_hour / 3600 * 1000 / self.images_per_second


class BenchResult(Document):
    """One run of the benchmark; written as `bench.json`.

    Args:
        schema_version: of this document. Schema 1 is read too: it had percentiles without intervals, whatever the
            number of requests, and none of the fields that have a default here.
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
        environment: what else speed depends on, and the command.
        complete: False if the run was interrupted or failed: the points are those measured before.
        stopped: why it ended early; empty if it did not.
        cold_start_seconds: from the start of opening the target to its first picture; None if that was not measured.
        build_seconds: file of an engine -> time that building it took, as the bundle records it.
        sizes: file of the measured variant -> size in bytes.
        cost: at a price for the machine, if one was given.
        roofline: what this machine allows the variant, and the share that each load reached, if requested.
        cores: of the server and of what asks it, where they were kept apart; None if not, or if it is not known.
    """

    schema_version: Literal[2] = SCHEMA_VERSION
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
    environment: Environment | None = None
    complete: bool = True
    stopped: str = ""
    cold_start_seconds: float | None = None
    build_seconds: dict[str, float] = Constraint(default_factory=dict)
    sizes: dict[str, int] = Constraint(default_factory=dict)
    cost: Cost | None = None
    roofline: ServedRoofline | None = None
    cores: Cores | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_schema_1(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("schema_version") == 1:
            return {**given, "schema_version": SCHEMA_VERSION}
        return given

    @property
    def counting(self) -> tuple[Point, ...]:
        """The points that count: right pictures, few errors, a rate within reach."""
        return tuple(point for point in self.points if not (point.invalid or point.beyond_reach))

    @property
    def best(self) -> Point | None:
        """The load with the highest throughput of those that count; None if none does."""
        return max(self.counting, key=lambda point: point.images_per_second, default=None)

    @property
    def quickest(self) -> Point | None:
        """The load with the smallest median latency of those that count; None if none does."""
        return min(self.counting, key=lambda point: point.latency.p50_ms, default=None)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the result must not be relied on, the worst first; empty if it may be.

        One rate beyond reach is a finding; all of them beyond reach are a problem.
        """
        found = [f"{point.load}: {point.invalid}" for point in self.points if point.invalid]
        if not found and not self.counting:
            found = [f"{point.load}: {point.beyond_reach}" for point in self.points]
        if self.comparison is not None:
            found += self.comparison.problems
        return (*([self.stopped] if self.stopped else []), *found)


def read_result(path: Path) -> BenchResult:
    """Read a `bench.json`.

    Raises:
        SchemaError: the file is not such a document, or has a newer schema.
        IntegrityError: the file is missing or not an ordinary file.
    """
    return read_as(BenchResult, "a result of 'litho bench'", path.parent, path.name, SCHEMA_VERSION)
