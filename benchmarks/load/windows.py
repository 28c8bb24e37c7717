"""Measurements under one load, and the documents made of them.

Names of figures end in their unit. Each pooled figure is stored with its windows and numbers of requests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Constraint

from ...bundle.json_documents import Document

if TYPE_CHECKING:
    from ...runners.triton import ServerStatistics

__all__ = ["Latency", "Load", "Measurement", "Point", "ServerTimes", "Window", "percentile"]

STABLE_DEVIATION = 0.1
"""Windows are stable if they differ from their mean by at most this share, as in perf_analyzer."""
STABLE_WINDOWS = 3
"""Number of last windows that are compared."""


class Load(Document):
    """The load of a window.

    Args:
        concurrency: requests kept in flight.
        batch: images in a request.
    """

    concurrency: Annotated[int, Constraint(ge=1)] = 1
    batch: Annotated[int, Constraint(ge=1)] = 1

    def __str__(self) -> str:
        return f"concurrency {self.concurrency}, batch {self.batch}"


def percentile(values: NDArray[np.float64], percent: float) -> float:
    """The smallest value that at least `percent` % of the values do not exceed (nearest rank).

    The result is one of the values; of fewer than 100 values the 99th percentile is the largest.

    Args:
        values: of shape (count,), not empty.
        percent: in (0, 100].
    """
    return float(np.percentile(values, percent, method="inverted_cdf"))


@dataclass(frozen=True)
class Measurement:
    """The raw data of one window.

    Args:
        seconds: length of the window.
        batch: images in a request.
        latencies_ms: FP64 of shape (requests,), one for each request answered within the window.
        errors: message -> number of requests that failed with it, also during warm-up and draining.
        client_cpu_seconds: processor time of all threads of this process within the window.
        server: the server's counts within the window; None without a server.
    """

    seconds: float
    batch: int
    latencies_ms: NDArray[np.float64]
    errors: Counter[str]
    client_cpu_seconds: float
    server: ServerStatistics | None


class Latency(Document):
    """Latency of requests as the client sees it, in milliseconds."""

    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, latencies_ms: NDArray[np.float64]) -> Latency:
        """Of the latency of each request, FP64 of shape (requests,), not empty."""
        return cls(
            mean_ms=float(latencies_ms.mean()),
            p50_ms=percentile(latencies_ms, 50),
            p90_ms=percentile(latencies_ms, 90),
            p99_ms=percentile(latencies_ms, 99),
            max_ms=float(latencies_ms.max()),
        )


class ServerTimes(Document):
    """The server's statistics of a window.

    Args:
        requests: answered requests of all clients.
        failures: refused or failed requests.
        inferences: images made.
        executions: batches run.
        queue_ms: mean time that a request waited, in milliseconds.
        compute_input_ms, compute_infer_ms, compute_output_ms: mean time that a request's batch took to gather
            inputs, to run and to return outputs, in milliseconds.
        batch_sizes: size of a batch -> number of batches of that size; empty if the server does not count them.
    """

    requests: int
    failures: int
    inferences: int
    executions: int
    queue_ms: float
    compute_input_ms: float
    compute_infer_ms: float
    compute_output_ms: float
    batch_sizes: dict[int, int]

    @property
    def mean_batch(self) -> float:
        """Mean number of images in a batch, inferences / executions; NaN if no batch was run."""
        return self.inferences / self.executions if self.executions else float("nan")

    @property
    def compute_ms(self) -> float:
        """Mean time of a request in the server without the queue, in milliseconds."""
        return self.compute_input_ms + self.compute_infer_ms + self.compute_output_ms

    @classmethod
    def of(cls, statistics: ServerStatistics) -> ServerTimes:
        """Of the difference of two readings of a server's statistics, or the sum of several differences."""
        per_request_ms = 1e-6 / max(1, statistics.requests)
        return cls(
            requests=statistics.requests,
            failures=statistics.failures,
            inferences=statistics.inferences,
            executions=statistics.executions,
            queue_ms=statistics.queue_ns * per_request_ms,
            compute_input_ms=statistics.compute_input_ns * per_request_ms,
            compute_infer_ms=statistics.compute_infer_ns * per_request_ms,
            compute_output_ms=statistics.compute_output_ns * per_request_ms,
            batch_sizes=dict(sorted(statistics.batch_sizes.items())),
        )


class Window(Document):
    """One window under one load.

    Args:
        seconds: length of the window.
        requests: requests answered with images within the window.
        images: images of those requests.
        errors: message -> number of requests that failed with it, also during the warm-up; failed requests count
            neither for latency nor for throughput.
        latency: of the answered requests.
        client_cpu_ms: processor time of the load generator per answered request, all threads; it includes the model
            if the runner is in the same process.
        server: the server's statistics; None without a server.
    """

    seconds: float
    requests: int
    images: int
    errors: dict[str, int]
    latency: Latency
    client_cpu_ms: float
    server: ServerTimes | None

    @classmethod
    def of(cls, measurement: Measurement) -> Window:
        """Of one measurement."""
        answered = len(measurement.latencies_ms)
        return cls(
            seconds=measurement.seconds,
            requests=answered,
            images=answered * measurement.batch,
            errors=dict(measurement.errors),
            latency=Latency.of(measurement.latencies_ms),
            client_cpu_ms=measurement.client_cpu_seconds * 1e3 / answered,
            server=ServerTimes.of(measurement.server) if measurement.server else None,
        )

    @property
    def images_per_second(self) -> float:
        """Throughput, in images per second."""
        return self.images / self.seconds


class Point(Document):
    """All windows of one load.

    Args:
        load: the load.
        windows: in the order of measurement.
        latency: of the requests of all windows together.
        server: the server's statistics of all windows together.
    """

    load: Load
    windows: tuple[Window, ...]
    latency: Latency
    server: ServerTimes | None

    @classmethod
    def of(cls, load: Load, measurements: Sequence[Measurement]) -> Point:
        """Of all measurements of one load; percentiles are of all their requests, not means of percentiles."""
        windows = [Window.of(measurement) for measurement in measurements]
        counts = [measurement.server for measurement in measurements if measurement.server is not None]
        total = reduce(add, counts) if len(counts) == len(measurements) else None
        return cls(
            load=load,
            windows=tuple(windows),
            latency=Latency.of(np.concatenate([measurement.latencies_ms for measurement in measurements])),
            server=None if total is None else ServerTimes.of(total),
        )

    @property
    def requests(self) -> int:
        """Requests answered with images."""
        return sum(window.requests for window in self.windows)

    @property
    def seconds(self) -> float:
        """Length of all windows together, in seconds."""
        return sum(window.seconds for window in self.windows)

    @property
    def errors(self) -> dict[str, int]:
        """Message -> number of requests that failed with it."""
        total: Counter[str] = Counter()
        for window in self.windows:
            total.update(window.errors)
        return dict(total)

    @property
    def failed(self) -> int:
        """Number of failed requests."""
        return sum(self.errors.values())

    @property
    def images_per_second(self) -> float:
        """Throughput of all windows together."""
        return sum(window.images for window in self.windows) / self.seconds

    @property
    def images_per_second_range(self) -> tuple[float, float]:
        """Throughput of the slowest and the fastest window."""
        speeds = [window.images_per_second for window in self.windows]
        return min(speeds), max(speeds)

    @property
    def client_cpu_ms(self) -> float:
        """Processor time of the load generator per answered request, in milliseconds."""
        return sum(window.client_cpu_ms * window.requests for window in self.windows) / self.requests

    @property
    def client_cores(self) -> float:
        """Number of cores that the load generator kept busy."""
        return self.client_cpu_ms * self.requests / (self.seconds * 1e3)

    @property
    def deviation(self) -> float | None:
        """Largest relative difference of one of the last three windows from their mean.

        Of throughput or median latency, whichever differs more; None for fewer windows.
        """
        last = self.windows[-STABLE_WINDOWS:]
        if len(last) < STABLE_WINDOWS:
            return None
        speeds = [window.images_per_second for window in last]
        return max(_deviation(speeds), _deviation([window.latency.p50_ms for window in last]))

    @property
    def stable(self) -> bool | None:
        """Whether the last three windows are within 10 % of their mean; None for fewer windows."""
        return None if self.deviation is None else self.deviation <= STABLE_DEVIATION


def _deviation(values: Sequence[float]) -> float:
    array = np.array(values)
    return float(np.abs(array / array.mean() - 1).max())
