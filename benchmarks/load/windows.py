"""What is seen under one load: measurements, and the documents made of them.

Every figure is stored with its unit in its name, together with what it takes to judge it: the windows it was
pooled from and how many requests it rests on. This module measures nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Constraint

from ...bundle.json_documents import Document

if TYPE_CHECKING:
    from ...runners.triton import ServerStatistics

__all__ = ["Latency", "Load", "Measurement", "Point", "ServerTimes", "Window", "percentile"]

STABLE_DEVIATION = 0.1
"""Windows that differ from their mean by at most this share are stable, as perf_analyzer has it."""
STABLE_WINDOWS = 3
"""How many of the last windows are compared."""


class Load(Document):
    """How much load.

    Args:
        concurrency: requests kept in flight.
        batch: pictures in a request.
    """

    concurrency: Annotated[int, Constraint(ge=1)] = 1
    batch: Annotated[int, Constraint(ge=1)] = 1

    def __str__(self) -> str:
        return f"concurrency {self.concurrency}, batch {self.batch}"


def percentile(values: NDArray[np.float64], percent: float) -> float:
    """The smallest of the values that at least `percent` of a hundred of them do not exceed (nearest rank).

    It is always a value that was seen; of fewer than 100 values the 99th percentile is the largest.

    Args:
        values: of shape (count,), not empty.
        percent: in (0, 100].
    """
    return float(np.percentile(values, percent, method="inverted_cdf"))


@dataclass(frozen=True)
class Measurement:
    """What was seen in one window.

    Args:
        seconds: length of the window.
        batch: pictures in a request.
        latencies_ms: FP64 of shape (requests,): every request that was answered within the window.
        errors: message -> how many requests failed with it, during warm-up and draining too: none goes unseen.
        client_cpu_seconds: processor time of this process within the window, all of its threads.
        server: what the server counted within the window; None where there is no server.
    """

    seconds: float
    batch: int
    latencies_ms: NDArray[np.float64]
    errors: Counter[str]
    client_cpu_seconds: float
    server: ServerStatistics | None


class Latency(Document):
    """How long requests took, as the client sees it, in milliseconds."""

    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, latencies_ms: NDArray[np.float64]) -> Latency:
        """From the latency of each request, FP64 of shape (requests,), not empty."""
        return cls(
            mean_ms=float(latencies_ms.mean()),
            p50_ms=percentile(latencies_ms, 50),
            p90_ms=percentile(latencies_ms, 90),
            p99_ms=percentile(latencies_ms, 99),
            max_ms=float(latencies_ms.max()),
        )


class ServerTimes(Document):
    """The server's own account of the requests it answered.

    Args:
        requests: answered, by anyone's asking.
        failures: refused or failed.
        inferences: pictures made.
        executions: batches run.
        queue_ms: mean time that a request waited, in milliseconds.
        compute_input_ms, compute_infer_ms, compute_output_ms: mean time of a request's batch for gathering
            inputs, running and handing out outputs, in milliseconds.
        batch_sizes: size of a batch -> how many of that size were run; empty where the server does not say.
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
        """Pictures in a batch, on average: inferences / executions; NaN where nothing was run."""
        return self.inferences / self.executions if self.executions else float("nan")

    @property
    def compute_ms(self) -> float:
        """All of a request's time in the server but the queue, in milliseconds."""
        return self.compute_input_ms + self.compute_infer_ms + self.compute_output_ms

    @classmethod
    def of(cls, statistics: ServerStatistics) -> ServerTimes:
        """From the difference of two readings of a server's statistics."""
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

    @classmethod
    def pooled(cls, parts: Sequence[ServerTimes]) -> ServerTimes:
        """One account of several windows, each request with the same weight."""
        requests = sum(part.requests for part in parts)
        sizes: Counter[int] = Counter()
        for part in parts:
            sizes.update(part.batch_sizes)

        def mean(name: str) -> float:
            return sum(getattr(part, name) * part.requests for part in parts) / max(1, requests)

        return cls(
            requests=requests,
            failures=sum(part.failures for part in parts),
            inferences=sum(part.inferences for part in parts),
            executions=sum(part.executions for part in parts),
            queue_ms=mean("queue_ms"),
            compute_input_ms=mean("compute_input_ms"),
            compute_infer_ms=mean("compute_infer_ms"),
            compute_output_ms=mean("compute_output_ms"),
            batch_sizes=dict(sorted(sizes.items())),
        )


class Window(Document):
    """What was seen between two moments under one load.

    Args:
        seconds: length of the window.
        requests: answered with pictures within the window; the others are in `errors`.
        images: pictures of those requests.
        errors: message -> requests that failed with it, those of the warm-up too; they count neither as latency
            nor as throughput.
        latency: of the answered requests.
        client_cpu_ms: processor time of the load generator per answered request, all threads; of a runner in
            the same process it includes the model.
        server: the server's own account; None where there is no server.
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
        """The document of one measurement."""
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
        """Throughput."""
        return self.images / self.seconds

    @property
    def failed(self) -> int:
        """Requests that failed."""
        return sum(self.errors.values())


class Point(Document):
    """All windows of one load.

    Args:
        load: how much load.
        windows: in the order they were measured.
        latency: of the requests of all windows together.
        server: the server's account of all windows together.
    """

    load: Load
    windows: tuple[Window, ...]
    latency: Latency
    server: ServerTimes | None

    @classmethod
    def of(cls, load: Load, measurements: Sequence[Measurement]) -> Point:
        """All measurements of one load; percentiles are those of all their requests, not means of percentiles."""
        windows = [Window.of(measurement) for measurement in measurements]
        servers = [window.server for window in windows if window.server is not None]
        return cls(
            load=load,
            windows=tuple(windows),
            latency=Latency.of(np.concatenate([measurement.latencies_ms for measurement in measurements])),
            server=ServerTimes.pooled(servers) if len(servers) == len(windows) else None,
        )

    @property
    def requests(self) -> int:
        """Requests answered with pictures."""
        return sum(window.requests for window in self.windows)

    @property
    def seconds(self) -> float:
        """Length of all windows together."""
        return sum(window.seconds for window in self.windows)

    @property
    def errors(self) -> dict[str, int]:
        """Message -> requests that failed with it."""
        total: Counter[str] = Counter()
        for window in self.windows:
            total.update(window.errors)
        return dict(total)

    @property
    def failed(self) -> int:
        """Requests that failed."""
        return sum(self.errors.values())

    @property
    def images_per_second(self) -> float:
        """Throughput over all windows."""
        return sum(window.images for window in self.windows) / self.seconds

    @property
    def images_per_second_range(self) -> tuple[float, float]:
        """Throughput of the slowest and of the fastest window."""
        speeds = [window.images_per_second for window in self.windows]
        return min(speeds), max(speeds)

    @property
    def client_cpu_ms(self) -> float:
        """Processor time of the load generator per answered request, in milliseconds."""
        return sum(window.client_cpu_ms * window.requests for window in self.windows) / self.requests

    @property
    def client_cores(self) -> float:
        """How many cores the load generator kept busy."""
        return self.client_cpu_ms * self.requests / (self.seconds * 1e3)

    @property
    def deviation(self) -> float | None:
        """The largest share by which one of the last three windows differs from their mean.

        In throughput or in median latency, whichever differs more; None where there are fewer windows.
        """
        last = self.windows[-STABLE_WINDOWS:]
        if len(last) < STABLE_WINDOWS:
            return None
        speeds = [window.images_per_second for window in last]
        return max(_deviation(speeds), _deviation([window.latency.p50_ms for window in last]))

    @property
    def stable(self) -> bool | None:
        """Whether the last three windows are within 10 % of their mean; None where there are fewer."""
        return None if self.deviation is None else self.deviation <= STABLE_DEVIATION


def _deviation(values: Sequence[float]) -> float:
    array = np.array(values)
    return float(np.abs(array / array.mean() - 1).max())
