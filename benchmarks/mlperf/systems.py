"""Systems under test: how LoadGen's samples become requests to a runner, and its pictures answers to LoadGen.

A query's samples go into as few requests as the model takes, so that the eight of MultiStream are one batch. LoadGen
reads a picture where the runner left it: nothing is copied for it.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from ...errors import LithoError
from ...extras import require
from ...runners import Endpoint, Runner
from ...runners.triton import Access, Options, Runner as TritonRunner, images_of, messages, open_channel
from .samples import Samples

__all__ = ["Answers", "System", "open_system"]

MAX_FAILURES = 100
"""So many failures in a row end a run: the target is gone, or never answered."""

OFFLINE_WINDOW = 4
"""Requests of Offline in flight at the same time: enough that a server never waits for its client."""

WARMUP_QUERIES = 3

_METHOD = "/inference.GRPCInferenceService/ModelInfer"


class Answers:
    """Hands pictures to LoadGen, and counts what it cannot: LoadGen knows no failed query.

    Args:
        shape: of a picture.
        gone: called with the first message when `MAX_FAILURES` requests in a row have failed.

    Attributes:
        answered: samples answered with a picture.
        failed: message -> number of samples whose request failed; LoadGen gets an empty answer for them.
        waiting: samples that LoadGen asked for and that have no answer yet.
        last: when the last picture came, by `time.monotonic`.
    """

    def __init__(self, shape: tuple[int, ...], gone: Callable[[str], object]) -> None:
        loadgen = require("mlperf_loadgen", "loadgen")
        self._complete, self._response = loadgen.QuerySamplesComplete, loadgen.QuerySampleResponse
        self._shape, self._size, self._gone = shape, int(np.prod(shape)), gone
        self._row = 0
        self.answered = self.waiting = 0
        self.failed: Counter[str] = Counter()
        self.last = time.monotonic()

    def pictures(self, ids: Sequence[int], images: NDArray[np.uint8]) -> None:
        """Answer samples with pictures, UINT8 of shape (samples, height, width, channels), C-contiguous."""
        if images.dtype != np.uint8 or images.shape != (len(ids), *self._shape):
            self.failure(
                ids, f"the answer is {images.dtype} of shape {images.shape}, not {len(ids)} pictures"
            )
            return
        self._row, self.last = 0, time.monotonic()
        self.answered += len(ids)
        self.waiting -= len(ids)
        address, size, response = images.__array_interface__["data"][0], self._size, self._response
        self._complete([response(one, address + row * size, size) for row, one in enumerate(ids)])

    def failure(self, ids: Sequence[int], message: str) -> None:
        """Give samples up: their request failed."""
        self.failed[" ".join(message.split())] += len(ids)
        self._row += 1
        if self._row >= MAX_FAILURES:
            self._gone(message)
        self.waiting -= len(ids)
        self._complete([self._response(one, 0, 0) for one in ids])


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


class _Local(System):
    """A runner in this process: one thread computes, and takes what has come meanwhile as one batch."""

    def __init__(self, runner: Runner, samples: Samples, answers: Answers, window: int | None = None) -> None:
        super().__init__(runner, samples, answers, window)
        self._asked: SimpleQueue[tuple[list[int], list[int]]] = SimpleQueue()
        self._output = runner.signature.output.name
        threading.Thread(target=self._work, daemon=True).start()

    def send(self, ids: list[int], numbers: list[int]) -> None:
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


class _Remote(System):
    """A runner with a transport, whose requests overlap; in Offline a few of them at a time."""

    def __init__(self, runner: Runner, samples: Samples, answers: Answers, window: int | None = None) -> None:
        super().__init__(runner, samples, answers, window)
        self._later: deque[tuple[list[int], list[int]]] = deque()
        self._in_flight, self._lock = 0, threading.Lock()
        self._output = runner.signature.output.name

    def send(self, ids: list[int], numbers: list[int]) -> None:
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


class _Unary(_Remote):
    """A Triton model that answers whole requests: each sample's message is written once, before LoadGen starts."""

    def __init__(
        self, runner: TritonRunner, samples: Samples, answers: Answers, window: int | None = None
    ) -> None:
        super().__init__(runner, samples, answers, window)
        self._triton, self._options = runner, Options()
        channel = open_channel(Endpoint.parse(runner.url), Access.from_environment())
        # Without a serializer the message travels as the bytes that it is.
        self._call = channel.unary_unary(_METHOD)
        self._single = [self._message([number]) for number in range(len(samples))]

    def _message(self, numbers: list[int]) -> bytes:
        return self._triton.request(self.samples.rows(numbers), self._options).SerializeToString()

    def start(self, ids: list[int], numbers: list[int]) -> None:
        message = self._single[numbers[0]] if len(numbers) == 1 else self._message(numbers)
        call = self._call.future(
            message, timeout=self._triton.limit(self._options), metadata=self._triton.metadata
        )
        call.add_done_callback(lambda done: self._read(ids, done))

    def _read(self, ids: list[int], done: Any) -> None:
        try:
            images = images_of(messages.ModelInferResponse.FromString(done.result()))
        except grpc.RpcError as error:
            self.settle(ids, message=f"{error.code().name}: {error.details()}")
        except Exception as error:  # an answer without a picture, which is counted too
            self.settle(ids, message=f"{self._triton.url} answered without pictures ({error})")
        else:
            self.settle(ids, images)


def open_system(runner: Runner, samples: Samples, answers: Answers, window: int | None = None) -> System:
    """The system under test that fits a runner; see `System`."""
    if type(runner).submit is Runner.submit:
        return _Local(runner, samples, answers, window)
    if isinstance(runner, TritonRunner) and not runner.decoupled:
        return _Unary(runner, samples, answers, window)
    return _Remote(runner, samples, answers, window)
