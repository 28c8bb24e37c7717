"""Cores that several jobs share, and a thread that handles one message after the other, as events of simpy."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["Cores", "Thread"]



class Cores:
    """Processor sharing: every job gets its threads' cores, and all slow down alike when they want more than there are.

    Args:
        environment: of simpy; its time is in milliseconds.
        count: cores, or 1 for a GPU.
        contention: time of a job while all cores are busy, over its time alone.

    Attributes:
        busy: core milliseconds used so far.
        load: threads that want a core now.
    """

    def __init__(self, environment: Any, count: int, contention: float = 1.0) -> None:
        self._environment, self.count, self._contention = environment, count, contention
        self._virtual = self._updated = self.busy = 0.0
        self.load = 0
        self._jobs: list[tuple[float, int, int, Any]] = []
        self._numbers = itertools.count()
        self._version = 0

    @property
    def idle_share(self) -> float:
        """Share of the cores that nothing wants now."""
        return max(0.0, 1 - self.load / self.count)

    def run(self, work: float, threads: int = 1) -> Any:
        """The event at which a job is finished.

        Args:
            work: milliseconds that it takes alone.
            threads: that it uses all the time.
        """
        self._advance()
        done = self._environment.event()
        if work <= 0:
            return done.succeed()
        self.load += threads
        heapq.heappush(self._jobs, (self._virtual + work, next(self._numbers), threads, done))
        self._plan()
        return done

    def _speed(self) -> float:
        used = min(self.load, self.count)
        share = (used - 1) / (self.count - 1) if self.count > 1 else 1.0
        slower = 1 + (self._contention - 1) * max(0.0, share)
        return used / self.load / slower

    def _advance(self) -> None:
        now = self._environment.now
        if self.load:
            self._virtual += (now - self._updated) * self._speed()
            self.busy += (now - self._updated) * min(self.load, self.count)
        self._updated = now

    def _plan(self) -> None:
        self._version += 1
        if self._jobs:
            wait = max(0.0, self._jobs[0][0] - self._virtual) / self._speed()
            version = self._version
            timeout = self._environment.timeout(wait)
            timeout.callbacks.append(lambda _: self._due(version))

    def _due(self, version: int) -> None:
        if version != self._version:
            return  # jobs came or went since: another timeout stands for them
        self._advance()
        # The first job is due whatever rounding says; a job as good as finished goes with it.
        limit = max(self._virtual, self._jobs[0][0]) + 1e-9
        self._virtual = max(self._virtual, self._jobs[0][0])
        while self._jobs and self._jobs[0][0] <= limit:
            _, _, threads, done = heapq.heappop(self._jobs)
            self.load -= threads
            done.succeed()
        self._plan()


class Thread:
    """Handles one message after the other on shared cores, and sleeps when there is none.

    Args:
        environment: of simpy.
        cores: that it runs on; None for a machine of its own, where it costs no time here.
        wake_ms: each time that it wakes.
        item_ms: of each message.
    """

    def __init__(self, environment: Any, cores: Cores | None, wake_ms: float, item_ms: float) -> None:
        self._environment, self._cores = environment, cores
        self._wake_ms, self._item_ms = wake_ms, item_ms
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self._running = False
        self.wakes = 0

    def handle(self, then: Callable[[], None], share: float = 1.0) -> None:
        """Handle a message, and call `then` when that is done.

        Args:
            then: what follows.
            share: of `item_ms` that it costs.
        """
        if self._cores is None or self._wake_ms + self._item_ms == 0:
            then()
            return
        self._waiting.append((share, then))
        if not self._running:
            self._running = True
            self.wakes += 1
            self._next(self._wake_ms)

    def _next(self, before: float = 0.0) -> None:
        assert self._cores is not None, "a thread without cores handles at once"
        share, then = self._waiting.popleft()

        def handled(_: Any) -> None:
            then()
            if self._waiting:
                self._next()
            else:
                self._running = False

        self._cores.run(before + share * self._item_ms).callbacks.append(handled)
