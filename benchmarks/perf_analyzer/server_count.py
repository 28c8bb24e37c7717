"""What a server counts itself while a tool loads it: a rate that needs neither the tool's clock nor its honesty."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

import numpy as np

from ...runners.triton import ServerStatistics

__all__ = ["ServerCount", "steady_rate"]

EVERY_SECONDS = 0.1
STEADY = 0.25, 0.75
"""Share of the requests after which the rate counts, and before which: a tool's start and end are no load."""


class ServerCount:
    """Reads a server's counter of answered requests while the `with` block runs.

    Args:
        read: gives the server's counters of a model.

    Attributes:
        requests: that were answered in the block.
        per_second: rate in the middle of them; 0 if there were too few.
        mean_batch: pictures of a batch that the server formed; 0 if there was none.
        mean_ms: time of a request inside the server, from its queue to its output, in milliseconds.
    """

    def __init__(self, read: Callable[[], ServerStatistics]) -> None:
        self._read = read
        self._points: list[tuple[float, ServerStatistics]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._count, name="litho-server-count", daemon=True)
        self.requests, self.per_second, self.mean_batch, self.mean_ms = 0, 0.0, 0.0, 0.0

    def __enter__(self) -> Self:
        self._note()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        self._note()
        times = np.array([moment for moment, _ in self._points])
        counts = np.array([counted.requests for _, counted in self._points], float)
        self.per_second = steady_rate(times, counts)
        whole = self._points[-1][1] - self._points[0][1]
        self.requests = whole.requests
        if whole.requests and whole.executions:
            inside = (
                whole.queue_ns + whole.compute_input_ns + whole.compute_infer_ns + whole.compute_output_ns
            )
            self.mean_batch, self.mean_ms = whole.mean_batch, inside / whole.requests / 1e6

    def _count(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            self._note()

    def _note(self) -> None:
        before = time.monotonic()
        counted = self._read()
        self._points.append(((before + time.monotonic()) / 2, counted))


def steady_rate(times: np.ndarray, counts: np.ndarray) -> float:
    """Requests a second between the first and the last quarter of the requests; 0 if too few points are there.

    Args:
        times: of the readings, in seconds, of shape (readings,).
        counts: what the counter said, of shape (readings,).
    """
    share = (counts - counts[0]) / max(counts[-1] - counts[0], 1)
    low, high = (int(np.searchsorted(share, bound)) for bound in STEADY)
    if high >= len(times) or high <= low:
        return 0.0
    return float((counts[high] - counts[low]) / (times[high] - times[low]))
