"""The documents of whole runs: what is written as JSON, read back and shown; measures and draws nothing."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

from pydantic import Field as Constraint
from pydantic import ValidationError

from ...bundle.json_documents import Document, read_document
from ...errors import SchemaError
from ..machine import Machine
from .windows import Load, Point, Window

__all__ = ["BenchResult", "Comparison", "MemorySample", "Method", "Pair", "SoakResult", "read_result"]

SCHEMA_VERSION = 1


class Pair(Document):
    """Two windows measured one right after the other."""

    first: Window
    second: Window

    @property
    def ratio(self) -> float:
        """Throughput of the first over that of the second."""
        return self.first.images_per_second / self.second.images_per_second


class Comparison(Document):
    """Two things measured in turns, so that a change of the machine's speed meets both.

    Args:
        first, second: what they are, in words.
        first_load, second_load: how much load each got.
        pairs: in the order they were measured.
        at_least: what the median ratio must reach; None where nothing is asked.
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
        """Whether the median ratio reaches what it must; None where nothing is asked."""
        return None if self.at_least is None else self.ratio >= self.at_least


class MemorySample(Document):
    """Resident memory after so many requests.

    Args:
        requests: that had ended by then.
        client_bytes: resident memory of the load generator's process.
        server_bytes: resident memory of the server's process and all its children, summed; what they share
            counts in each. None where the server is not on this machine or not known.
    """

    requests: int
    client_bytes: int
    server_bytes: int | None


class SoakResult(Document):
    """Whether memory grows under a long load.

    Args:
        target: what was asked.
        in_flight: requests kept in flight.
        requests: answered with pictures.
        errors: message -> requests that failed with it.
        seconds: how long it took.
        settled_after: number of requests after which memory must not grow any more.
        samples: in order; the first before any request, the last when everything has been answered.
    """

    target: str
    in_flight: int
    requests: int
    errors: dict[str, int]
    seconds: float
    settled_after: int
    samples: Annotated[tuple[MemorySample, ...], Constraint(min_length=3)]

    @property
    def settled(self) -> MemorySample:
        """The sample that growth is counted from."""
        return next(sample for sample in self.samples if sample.requests >= self.settled_after)

    @property
    def client_growth(self) -> float:
        """Share by which the client's memory differs at the end from where it had settled."""
        return self.samples[-1].client_bytes / self.settled.client_bytes - 1

    @property
    def server_growth(self) -> float | None:
        """Share by which the server's memory differs at the end; None where it is not known."""
        first, last = self.settled.server_bytes, self.samples[-1].server_bytes
        return None if first is None or last is None else last / first - 1


class Method(Document):
    """How it was measured.

    Args:
        scenario: how requests arrived.
        rounds: how often every load had its turn; each turn is a window.
        warmup_seconds: before each window, under its load, excluded.
        window_seconds: least length of a window.
        first_seed: every picture had inputs of its own; seeds, where there are any, were counted from here.
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
        target: what was measured, as it was given.
        runner: what answered, in words.
        kind: "endpoint" where requests overlap, "in-process" where each is computed in the caller's thread.
        measured_at: when it began, UTC, ISO 8601.
        machine: what it was measured on.
        method: how.
        points: one for each load, in the order asked for.
        comparison: against another runner, if asked for.
        soak: memory under a long load, if asked for.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    target: str
    runner: str
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
        SchemaError: it is not such a document, or is of a newer schema.
        IntegrityError: it is missing or not an ordinary file.
    """
    document = read_document(path.parent, path.name, SCHEMA_VERSION)
    try:
        return BenchResult.model_validate_json(json.dumps(document))
    except ValidationError as error:
        complaint = error.errors()[0]
        where = ".".join(str(part) for part in complaint["loc"]) or "document"
        raise SchemaError(f"{path} is not a result of 'litho bench': {where}: {complaint['msg']}") from None
