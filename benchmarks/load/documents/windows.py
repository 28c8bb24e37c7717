"""Measurements under one load, and the documents made of them.

Names of figures end in their unit. Each pooled figure is stored with its windows and numbers of requests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field as Constraint

from ....bundle.json_documents import Document
from .latency import Latency
from .measurement import Measurement
from .quality import Quality
from .resources import Resources
from .server_times import ServerTimes

__all__ = [
    "Goodput",
    "Judged",
    "Latency",
    "Load",
    "Measurement",
    "Point",
    "Window",
]

STABLE_DEVIATION = 0.1
"""Windows are stable if they differ from their mean by at most this share, as in perf_analyzer."""
STABLE_WINDOWS = 3
"""Number of last windows that are compared."""

SHORTEST_WINDOW_SECONDS, FEWEST_IN_WINDOW = 1.0, 30
"""Shorter windows, and those of fewer requests, are not judged: their figures are too uncertain."""

HELD_SHARE = 0.95
"""Share of the wanted requests in flight, or of the wanted rate, below which a load was not reached."""

MOST_ERRORS = 0.01
"""Share of failed requests above which a point is invalid."""


class Load(Document):
    """The load of a window.

    Args:
        concurrency: requests kept in flight, in a closed loop.
        batch: images in a request.
        rate: requests per second, in an open loop; None in a closed one.
    """

    concurrency: Annotated[int, Constraint(ge=1)] = 1
    batch: Annotated[int, Constraint(ge=1)] = 1
    rate: Annotated[float, Constraint(gt=0)] | None = None

    @property
    def intensity(self) -> float:
        """Requests per second of an open loop, requests in flight of a closed one."""
        return self.concurrency if self.rate is None else self.rate

    def __str__(self) -> str:
        arrivals = f"concurrency {self.concurrency}" if self.rate is None else f"{self.rate:.4g} requests/s"
        return f"{arrivals}, batch {self.batch}"


class Goodput(Document):
    """Answers within a bound on latency; the rest, and failed requests, do not count.

    Args:
        slo_ms: the bound, in milliseconds.
        share: of the requests that ended, failed ones included, 0 to 1.
        images_per_second: of the answers within the bound.
    """

    slo_ms: float
    share: float
    images_per_second: float

    @classmethod
    def of(cls, measurement: Measurement, slo_ms: float) -> Goodput:
        """Goodput of a window."""
        good = int(np.count_nonzero(measurement.latencies_ms <= slo_ms))
        failed = measurement.errors.total() / _asked_per_window(measurement)
        return cls(
            slo_ms=slo_ms,
            share=good / measurement.requests * (1 - failed),
            images_per_second=good / measurement.requests * measurement.image_count / measurement.seconds,
        )


class Figures(Document):
    """What is known of a window, and of all windows of a load together.

    Args:
        latency: of the answered requests, as `Measurement.latencies_ms` counts it.
        server: the server's statistics; None without a server.
        achieved_in_flight: requests in flight on the average; None in a document of schema 1.
        wanted_in_flight: number that the load asks for; None in an open loop.
        offered_rate: requests per second that were scheduled; None in a closed loop.
        late: from the scheduled time to the first byte sent.
        resources: what the processes and GPUs used.
        quality: of the pictures that came back; None if none were checked.
        goodput: answers within a bound on latency, if there is one.
        steps_per_second: steps of the sampler for all images; None for a generator without steps.
        first_preview: time to the first preview; None if none were asked for.
        failed_share: failed requests over all, 0 to 1.
    """

    latency: Latency
    server: ServerTimes | None
    achieved_in_flight: float | None = None
    wanted_in_flight: int | None = None
    offered_rate: float | None = None
    late: Latency | None = None
    resources: Resources | None = None
    quality: Quality | None = None
    goodput: Goodput | None = None
    steps_per_second: float | None = None
    first_preview: Latency | None = None
    failed_share: float | None = None

    @classmethod
    def figures(cls, measurement: Measurement, judged: Judged) -> dict[str, Any]:
        """The fields of a measurement."""
        late, preview = measurement.late_ms, measurement.first_preview_ms
        return {
            "latency": Latency.of(measurement.latencies_ms),
            "server": ServerTimes.of(measurement.server) if measurement.server else None,
            "achieved_in_flight": measurement.in_flight,
            "wanted_in_flight": measurement.in_flight_wanted,
            "offered_rate": measurement.offered_rate,
            "late": None if late is None or not late.size else Latency.of(late),
            "resources": measurement.resources,
            "quality": judged.quality(measurement),
            "goodput": None if judged.slo_ms is None else Goodput.of(measurement, judged.slo_ms),
            "steps_per_second": None
            if measurement.steps is None
            else measurement.steps / measurement.seconds,
            "first_preview": None if preview is None or not preview.size else Latency.of(preview),
            "failed_share": measurement.errors.total() / _asked_per_window(measurement),
        }

    @property
    def late_ms(self) -> float | None:
        """Mean time from the scheduled time to the first byte sent, in milliseconds."""
        return None if self.late is None else self.late.mean_ms

    @property
    def held(self) -> float | None:
        """Requests in flight over those that a closed loop asks for; None if not known."""
        if self.achieved_in_flight is None or self.wanted_in_flight is None:
            return None
        return self.achieved_in_flight / self.wanted_in_flight

    @property
    def invalid(self) -> str:
        """Why the figures count for nothing: wrong pictures, or too many errors; empty if they count."""
        if self.quality is not None and not self.quality.passed:
            return self.quality.reason
        if self.failed_share is not None and self.failed_share > MOST_ERRORS:
            return f"{self.failed_share:.1%} of the requests failed; at most {MOST_ERRORS:.0%} may"
        return ""


class Judged:
    """How measurements are judged beyond their times.

    Args:
        slo_ms: bound on latency for the goodput, in milliseconds; None for none.
        quality: judges the pictures of a measurement; gives None where there are none to check.
    """

    def __init__(
        self,
        slo_ms: float | None = None,
        quality: Callable[[Measurement], Quality | None] = lambda measurement: None,
    ) -> None:
        self.slo_ms, self.quality = slo_ms, quality


class Window(Figures):
    """One window under one load.

    Args:
        seconds: length of the window.
        requests: requests answered with images within the window.
        images: images of those requests.
        errors: message -> number of requests that failed with it, also during the warm-up; failed requests count
            neither for latency nor for throughput.
        client_cpu_ms: processor time of the load generator per answered request, all threads; it includes the model
            if the runner is in the same process.
    """

    seconds: float
    requests: int
    images: int
    errors: dict[str, int]
    client_cpu_ms: float

    @classmethod
    def of(cls, measurement: Measurement, judged: Judged | None = None) -> Self:
        """The window of one measurement."""
        return cls(
            seconds=measurement.seconds,
            requests=measurement.requests,
            images=measurement.image_count,
            errors=dict(measurement.errors),
            client_cpu_ms=measurement.client_cpu_seconds * 1e3 / measurement.requests,
            **cls.figures(measurement, judged or Judged()),
        )

    @property
    def images_per_second(self) -> float:
        """Throughput, in images per second."""
        return self.images / self.seconds


class Point(Figures):
    """All windows of one load.

    Args:
        load: the load.
        windows: in the order of measurement.
    """

    load: Load
    windows: Annotated[tuple[Window, ...], Constraint(min_length=1)]

    @classmethod
    def of(cls, load: Load, measurements: Sequence[Measurement], judged: Judged | None = None) -> Self:
        """The point of one load; percentiles are over the requests of all measurements, not means of percentiles."""
        judged = judged or Judged()
        return cls(
            load=load,
            windows=tuple(Window.of(one, Judged(judged.slo_ms)) for one in measurements),
            **cls.figures(Measurement.pooled(measurements), judged),
        )

    @property
    def requests(self) -> int:
        """Requests answered with images."""
        return sum(window.requests for window in self.windows)

    @property
    def images(self) -> int:
        """Images of those requests."""
        return sum(window.images for window in self.windows)

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
        return self.images / self.seconds

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
    def joules_per_1000_images(self) -> float | None:
        """Energy of the GPUs for 1,000 images, in joules; None without their meter."""
        gpu = None if self.resources is None else self.resources.gpu
        return None if gpu is None else gpu.joules * 1000 / self.images

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
        """Whether the figures may be relied on: False for any reason of `unstable`.

        None if that cannot be judged, for the reason of `not_judged`.
        """
        return False if self.unstable else None if self.not_judged else True

    @property
    def beyond_reach(self) -> str:
        """Why an open loop says nothing here: it offered more than was answered; empty otherwise."""
        answered = self.requests / self.seconds
        if self.offered_rate is None or answered >= HELD_SHARE * self.offered_rate:
            return ""
        return (
            f"{self.offered_rate:.0f} requests/s are beyond reach: {answered:.0f} requests/s were answered, and the"
            " rest waits longer and longer"
        )

    @property
    def unstable(self) -> str:
        """Why the figures may not be relied on; empty if nothing says so."""
        if problem := self.invalid or self.beyond_reach:
            return problem
        if self.deviation is not None and self.deviation > STABLE_DEVIATION:
            return f"the last {STABLE_WINDOWS} windows differ from their mean by up to {self.deviation:.0%}"
        if self.held is not None and self.held < HELD_SHARE:
            return f"only {self.achieved_in_flight:.3g} of {self.wanted_in_flight} requests were in flight"
        return ""

    @property
    def not_judged(self) -> str:
        """Why it cannot be said whether the figures are stable; empty if it can be said."""
        if self.deviation is None:
            return f"it takes {STABLE_WINDOWS} windows"
        if (shortest := min(window.seconds for window in self.windows)) < SHORTEST_WINDOW_SECONDS:
            return f"a window of {shortest:.2g} s is too short; it takes {SHORTEST_WINDOW_SECONDS:g} s"
        if (fewest := min(window.requests for window in self.windows)) < FEWEST_IN_WINDOW:
            return f"a window has {fewest} requests; it takes {FEWEST_IN_WINDOW}"
        return ""


def _deviation(values: Sequence[float]) -> float:
    array = np.array(values)
    return float(np.abs(array / array.mean() - 1).max())


def _asked_per_window(measurement: Measurement) -> int:
    """Requests of which the errors are a part."""
    return measurement.asked or measurement.requests + measurement.errors.total()
