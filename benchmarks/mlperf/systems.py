"""Systems under test: how LoadGen's samples become requests to a runner, and its pictures answers to LoadGen.

A query's samples go into as few requests as the model takes, so that the eight of MultiStream are one batch.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LithoError
from ...runners import Runner
from .answers import Answers
from .samples import Samples

__all__ = ["OFFLINE_WINDOW", "Local", "Remote", "System"]

OFFLINE_WINDOW = 4
"""Requests of Offline in flight at the same time: enough that a server never waits for its client."""

WARMUP_QUERIES = 3


class System(ABC):
    """Answers LoadGen's queries with a runner.

    Args:
        runner: makes the pictures.
        samples: that LoadGen may ask for.
        answers: take them.
        window: largest number of requests in flight; None for as many as LoadGen asks for.
    """

    def __init__(self, runner: Runner, samples: Samples, answers: Answers, window: int | None = None) -> None:
        self.runner, self.samples, self.answers = runner, samples, answers
        self.window = window

    def issue(self, query: Sequence[Any]) -> None:
        """Take a query of LoadGen, which does not wait for its answers: objects with `id` and `index`."""
        self.answers.waiting += len(query)
        most = self.runner.max_batch_size
        if len(query) == 1:
            self.send([query[0].id], [query[0].index])
            return
        for start in range(0, len(query), most):
            part = query[start : start + most]
            self.send([one.id for one in part], [one.index for one in part])

    @abstractmethod
    def send(self, ids: list[int], numbers: list[int]) -> None:
        """Ask for pictures of some samples in one request, without waiting; at most the model's largest batch."""

    def warm_up(self, samples: int, seconds: float) -> float:
        """Make pictures before LoadGen starts, a query at a time.

        Args:
            samples: of a query.
            seconds: at least so long, and at least three queries.

        Returns:
            The shortest time of a query, in seconds.

        Raises:
            LithoError: every request failed.
        """
        end, times, tries = time.perf_counter() + seconds, list[float](), 0
        while tries < WARMUP_QUERIES or time.perf_counter() < end:
            tries += 1
            began = time.perf_counter()
            try:
                self._ask(samples, tries)
            except LithoError:
                # A target that fails now and then is measured, and found invalid.
                if not times and tries >= WARMUP_QUERIES:
                    raise
            else:
                times.append(time.perf_counter() - began)
        return min(times)

    def _ask(self, samples: int, turn: int) -> None:
        numbers = [(turn * samples + row) % len(self.samples) for row in range(samples)]
        for start in range(0, samples, self.runner.max_batch_size):
            self.runner.run(self.samples.rows(numbers[start : start + self.runner.max_batch_size]))


class Local(System):
    """A runner in this process: one thread computes, and takes what has come meanwhile as one batch."""

    def __init__(self, runner: Runner, samples: Samples, answers: Answers, window: int | None = None) -> None:
        super().__init__(runner, samples, answers, window)
        self._asked: SimpleQueue[tuple[list[int], list[int]]] = SimpleQueue()
        self._output = runner.signature.output.name
        threading.Thread(target=self._work, daemon=True).start()

    def send(self, ids: list[int], numbers: list[int]) -> None:
        """See `System.send`."""
        self._asked.put((ids, numbers))

    def _work(self) -> None:
        most = self.runner.max_batch_size
        left: tuple[list[int], list[int]] | None = None
        while True:
            ids, numbers = left or self._asked.get()
            left = None
            while len(ids) < most:
                try:
                    more, others = self._asked.get_nowait()
                except Empty:
                    break
                if len(ids) + len(more) > most:
                    left = more, others
                    break
                ids, numbers = ids + more, numbers + others
            try:
                images = self.runner.run(self.samples.rows(numbers), check=False)[self._output]
            except Exception as error:  # counted like any other failed request
                self.answers.failure(ids, str(error) or type(error).__name__)
            else:
                self.answers.pictures(ids, np.ascontiguousarray(images))


class Remote(System):
    """A runner with a transport, whose requests overlap; in Offline a few of them at a time."""

    def __init__(self, runner: Runner, samples: Samples, answers: Answers, window: int | None = None) -> None:
        super().__init__(runner, samples, answers, window)
        self._later: deque[tuple[list[int], list[int]]] = deque()
        self._in_flight, self._lock = 0, threading.Lock()
        self._output = runner.signature.output.name

    def send(self, ids: list[int], numbers: list[int]) -> None:
        """See `System.send`."""
        if self.window is not None:
            with self._lock:
                if self._in_flight >= self.window:
                    self._later.append((ids, numbers))
                    return
                self._in_flight += 1
        self.start(ids, numbers)

    def start(self, ids: list[int], numbers: list[int]) -> None:
        """Send a request now."""
        future = self.runner.submit(self.samples.rows(numbers))
        future.add_done_callback(lambda done: self._answered(ids, done))

    def _answered(self, ids: list[int], done: Future[dict[str, NDArray[Any]]]) -> None:
        try:
            images = done.result()[self._output]
        except Exception as error:  # counted, whatever it is
            self.settle(ids, message=str(error) or type(error).__name__)
        else:
            self.settle(ids, images)

    def settle(self, ids: list[int], images: NDArray[np.uint8] | None = None, *, message: str = "") -> None:
        """Answer LoadGen, and send the next request that waits for it."""
        following = None
        if self.window is not None:
            with self._lock:
                if self._later:
                    following = self._later.popleft()
                else:
                    self._in_flight -= 1
        if following is not None:
            self.start(*following)
        if images is None:
            self.answers.failure(ids, message)
        else:
            self.answers.pictures(ids, images)
