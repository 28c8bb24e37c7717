"""Triton's dynamic batcher, as its scheduler works.

It follows core/src/dynamic_batch_scheduler.cc (`GetDynamicBatch`), rate_limiter.cc and instance_queue.cc (`Dequeue`).

Requests wait in a queue. A batch that is being formed takes those that wait, at once without a queue delay, and else
when a preferred size is reached or the first of them has waited long enough. A formed batch waits for an instance, and
takes further requests until it is saturated; at most two batches for each instance are formed ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .shape import Served

__all__ = ["Batcher", "Request"]

_AHEAD = 2
"""Batches that are formed ahead for each instance."""


@dataclass(eq=False, slots=True)
class Request:
    """One request on its way.

    Args:
        number: in the order of arrival.
        rows: pictures.
        steps: of each.
        scheduled: when it leaves the client, in milliseconds.
        queued: when it reached the queue.
        ended: when the client had its answer.
        left: pictures that are not made.
        woke: whether it has woken the server.
    """

    number: int
    rows: int
    steps: int
    scheduled: float
    queued: float = 0.0
    ended: float = float("nan")
    left: int = 0
    woke: bool = False


@dataclass(eq=False, slots=True)
class _Batch:
    requests: list[Request] = field(default_factory=list)
    rows: int = 0
    saturated: bool = False
    formed: bool = False
    executing: bool = False

    @property
    def oldest(self) -> float:
        """When its first request reached the queue."""
        return min(request.queued for request in self.requests)


class Batcher:
    """Forms batches for idle instances.

    Args:
        environment: of simpy; its time is in milliseconds.
        served: sizes and delay.
        execute: starts a batch on an instance.
    """

    def __init__(
        self,
        environment: Any,
        served: Served,
        execute: Callable[[list[Request]], None],
    ) -> None:
        self._environment, self._served, self._execute = environment, served, execute
        # Triton itself prefers the largest batch where a configuration prefers none.
        self._preferred = frozenset(served.preferred or (served.largest,))
        self._most_preferred = max(self._preferred)
        self._queue: deque[Request] = deque()
        self._formed: deque[_Batch] = deque()
        self._current = _Batch()
        self._idle = served.instances
        self._version = 0

    def put(self, request: Request) -> None:
        """A request has arrived."""
        request.queued = self._environment.now
        self._queue.append(request)
        self._form()

    def release(self) -> None:
        """An instance has finished its batch."""
        self._idle += 1
        self._dispatch()
        self._form()

    def _form(self) -> None:
        while self._queue:
            if self._current.saturated or self._current.executing:
                self._current = _Batch()
            if len(self._formed) >= _AHEAD * self._served.instances:
                return
            wait, count = self._choice()
            if wait > 0:
                self._look_again(wait)
                return
            self._take(count)
            self._dispatch()

    def _choice(self) -> tuple[float, int]:
        """Milliseconds to wait, or else the number of requests to take now; `GetDynamicBatch` of the scheduler."""
        current, pending, count, best = self._current, 0, 0, 0
        send = False
        for request in self._queue:
            if current.rows + pending:
                if current.rows + pending + request.rows > self._most_preferred and not best:
                    best, current.saturated = count, True
                if current.rows + pending + request.rows > self._served.largest:
                    send = True
                    break
            pending, count = pending + request.rows, count + 1
            if current.rows + pending in self._preferred:
                best = count
        delay = self._served.delay_ms
        left = self._queue[0].queued + delay - self._environment.now
        if best and (left > 1e-9 or not delay):
            current.saturated |= not delay
            return 0.0, best
        if send or current.rows + pending >= self._most_preferred:
            current.saturated = True
            return 0.0, count
        if current.rows and current.rows not in self._preferred and not current.saturated:
            return 0.0, count  # a batch that is formed and has no preferred size takes what comes
        return (left, 0) if left > 1e-9 else (0.0, count)

    def _take(self, count: int) -> None:
        current = self._current
        for _ in range(count):
            request = self._queue.popleft()
            current.requests.append(request)
            current.rows += request.rows
        if count and not current.formed:
            current.formed = True
            self._formed.append(current)

    def _look_again(self, wait: float) -> None:
        self._version += 1
        version = self._version
        timeout = self._environment.timeout(wait)
        timeout.callbacks.append(lambda _: self._form() if version == self._version else None)

    def _dispatch(self) -> None:
        while self._idle and self._formed:
            self._idle -= 1
            self._start()

    def _start(self) -> None:
        batch = self._formed.popleft()
        batch.executing = True
        self._merge(batch)
        self._execute(batch.requests)
        self._form()  # there is room for another batch that is formed ahead

    def _merge(self, batch: _Batch) -> None:
        """A batch takes the next ones with it whose first request has waited long enough; `InstanceQueue::Dequeue`.

        Full batches take part too: Triton marks as saturated there only what differs in its shape.
        """
        delay = self._served.delay_ms
        while delay and self._formed:
            following = self._formed[0]
            if self._environment.now - following.oldest <= delay:
                return
            # Also where it does not fit: it takes no further requests from here on.
            following.executing = True
            if batch.rows + following.rows > self._served.largest:
                return
            self._formed.popleft()
            batch.requests += following.requests
            batch.rows += following.rows
