"""The raw data of a window, as scenarios give it: what the load generator noted of each request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .resources import Resources

if TYPE_CHECKING:
    from ....runners.triton import ServerStatistics

__all__ = ["Measurement", "Picked"]


@dataclass(frozen=True)
class Picked:
    """Pictures that came back under load for inputs of probes.

    Args:
        numbers: INT64 of shape (pictures,), number of each picture's probe.
        pictures: UINT8 of shape (pictures, height, width, channels), whole.
    """

    numbers: NDArray[np.int64]
    pictures: NDArray[np.uint8]


@dataclass(frozen=True)
class Measurement:
    """The raw data of one window, or of several together.

    A request belongs to the window that it ends in. Only the first five are always known.

    Args:
        seconds: length of the window.
        batch: images in a request; the mean where requests differ.
        latencies_ms: FP64 of shape (requests,), of each request answered within the window: from its scheduled time,
            or in a closed loop from the moment at which its slot became free.
        errors: message -> number of requests that failed with it, also during warm-up and draining.
        client_cpu_seconds: processor time of the load generator within the window, all its threads and processes.
        server: the server's counts within the window; None without a server.
        asked: requests that ended, warm-up and draining included, answered or failed; None: not counted.
        images: images of the answered requests; None for `batch` of each.
        in_flight: requests in flight on the average: the requests' time inside the window over its length.
        in_flight_wanted: number that a closed loop was asked to hold.
        offered_rate: requests that an open loop scheduled within the window, per second.
        late_ms: FP64 of shape (requests,), from the scheduled time to the first byte sent.
        steps: steps of the sampler for all answered images.
        first_preview_ms: FP64 of shape (requests with previews,), from the scheduled time to the first preview.
        picked: pictures to check; None if none were picked.
        resources: what processes and GPU used.
    """

    seconds: float
    batch: float
    latencies_ms: NDArray[np.float64]
    errors: Counter[str]
    client_cpu_seconds: float
    server: ServerStatistics | None
    asked: int | None = None
    images: int | None = None
    in_flight: float | None = None
    in_flight_wanted: int | None = None
    offered_rate: float | None = None
    late_ms: NDArray[np.float64] | None = None
    steps: int | None = None
    first_preview_ms: NDArray[np.float64] | None = None
    picked: Picked | None = None
    resources: Resources | None = None

    @property
    def requests(self) -> int:
        """Requests answered with images within the window."""
        return len(self.latencies_ms)

    @property
    def image_count(self) -> int:
        """Images of the answered requests."""
        return round(self.requests * self.batch) if self.images is None else self.images

    @classmethod
    def pooled(cls, parts: Sequence[Measurement]) -> Measurement:
        """Several windows of one load as one; what one of them lacks, the whole lacks."""
        seconds = sum(part.seconds for part in parts)
        shares = [part.seconds / seconds for part in parts]
        servers = _all([part.server for part in parts])
        resources = _all([part.resources for part in parts])
        picked = [part.picked for part in parts if part.picked is not None]
        return cls(
            seconds=seconds,
            batch=parts[0].batch,
            latencies_ms=np.concatenate([part.latencies_ms for part in parts]),
            errors=reduce(add, (part.errors for part in parts), Counter[str]()),
            client_cpu_seconds=sum(part.client_cpu_seconds for part in parts),
            server=None if servers is None else reduce(add, servers),
            asked=_total([part.asked for part in parts]),
            images=sum(part.image_count for part in parts),
            in_flight=_mean([part.in_flight for part in parts], shares),
            in_flight_wanted=parts[0].in_flight_wanted,
            offered_rate=_mean([part.offered_rate for part in parts], shares),
            late_ms=_combined([part.late_ms for part in parts]),
            steps=_total([part.steps for part in parts]),
            first_preview_ms=_combined([part.first_preview_ms for part in parts]),
            picked=Picked(
                np.concatenate([one.numbers for one in picked]),
                np.concatenate([one.pictures for one in picked]),
            )
            if picked
            else None,
            resources=None if resources is None else Resources.pooled(resources),
        )


def _all(values: Sequence[Any]) -> list[Any] | None:
    return None if any(value is None for value in values) else list(values)


def _total(values: Sequence[int | None]) -> int | None:
    known = _all(values)
    return None if known is None else sum(known)


def _mean(values: Sequence[float | None], shares: Sequence[float]) -> float | None:
    known = _all(values)
    return None if known is None else sum(value * share for value, share in zip(known, shares, strict=True))


def _combined(values: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    known = _all(values)
    return None if known is None else np.concatenate(known)
