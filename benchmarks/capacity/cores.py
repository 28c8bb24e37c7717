"""Cores that several jobs share, and a thread that handles one message after the other, as events of simpy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Caches", "Cores", "Thread"]

_LEAST_MS = 1.4
"""A thread that has run for so long makes room for others of its kind when it is interrupted: Linux's base slice."""


@dataclass(frozen=True, slots=True)
class Caches:
    """What a core should still hold when a job begins there.

    Args:
        owner: whose data.
        switch_ms: that the job takes longer where another owner's job was the last one.
    """

    owner: Any
    switch_ms: float = 0.0


class Cores:
    """Threads take turns on cores, in slices, and none is idle while a thread waits.

    A thread that wakes while all cores compute takes one of them at once, as short sleepers do, or waits for its turn:
    an operating system does both, and that makes the answers of a busy server uneven.

    Args:
        environment: of simpy; its time is in milliseconds.
        count: cores, or 1 for a GPU.
        contention: time of a job while all cores are busy, over its time alone.
        slice_ms: longest time on a core while others wait.
        waits: says of a thread that wakes whether it waits for its turn.

    Attributes:
        count: cores.
        switches: jobs that began on a core which another owner had used since.
        switched_ms: that all jobs have taken longer because of that.
    """

    def __init__(
        self,
        environment: Any,
        count: int,
        contention: float = 1.0,
        slice_ms: float = 1.0,
        waits: Callable[[], bool] = lambda: True,
    ) -> None:
        self._environment, self.count, self._contention = environment, count, contention
        self._slice_ms, self._waits = slice_ms, waits
        self._ready: deque[_Turn] = deque()
        self._next: deque[_Turn] = deque()  # short ones, which go first
        self._running: deque[_Turn] = deque()
        self._busy = 0.0
        self.switches, self.switched_ms = 0, 0.0
        self._free: list[Any] = [None] * count  # whose caches are on each core that is free

    @property
    def busy(self) -> float:
        """Core milliseconds used so far."""
        now = self._environment.now
        return self._busy + sum(now - turn.started for turn in self._running)

    @property
    def idle_share(self) -> float:
        """Share of the cores that nothing wants now."""
        return 1 - len(self._running) / self.count

    def run(
        self,
        work: float,
        threads: int = 1,
        *,
        wakes: bool = False,
        goes_on: bool = False,
        short: bool = False,
        caches: Caches | None = None,
    ) -> Any:
        """The event at which a job is finished.

        Args:
            work: milliseconds that it takes alone.
            threads: that it uses all the time.
            wakes: whether its threads have slept until now.
            goes_on: whether the thread had a core until this moment, and keeps it.
            short: whether it is over soon: short jobs take turns among themselves, before the longer ones.
            caches: that the job needs; None for one that needs none and leaves them as they are.
        """
        done = self._environment.event()
        if work <= 0:
            return done.succeed()
        job = _Job(threads, done, caches, short)
        for _ in range(threads):
            turn = _Turn(job, work)
            if len(self._running) < self.count:
                self._start(turn)
            elif goes_on:
                self._interrupt(self._running[-1])
                self._start(turn)
            elif wakes and not self._waits():
                self._wake(turn)
            else:
                self._ready.append(turn)
        return done

    def _wake(self, turn: _Turn) -> None:
        """A thread takes the core of a long job that has begun, or is the next one after the short ones."""
        now = self._environment.now
        least = 0.0 if turn.job.short else min(_LEAST_MS, self._slice_ms)
        for other in self._running:
            if not other.job.short and other.run + now - other.started > least:
                self._interrupt(other)
                self._start(turn)
                return
        if turn.job.short:
            self._next.append(turn)
        else:
            self._ready.appendleft(turn)

    def _start(self, turn: _Turn) -> None:
        self._running.append(turn)
        self._take_core(turn)
        share = (len(self._running) - 1) / (self.count - 1) if self.count > 1 else 1.0
        turn.slower = 1 + (self._contention - 1) * share
        turn.started = self._environment.now
        turn.number += 1
        number, wanted = turn.number, turn.left * turn.slower
        taken, turn.ends = min(wanted, self._slice_ms), wanted <= self._slice_ms
        timeout = self._environment.timeout(taken)
        timeout.callbacks.append(lambda _: self._stop(turn) if number == turn.number else None)

    def _take_core(self, turn: _Turn) -> None:
        caches = turn.job.caches
        owner = None if caches is None else caches.owner
        if caches is None or owner in self._free:
            turn.warm = self._free.pop(0 if owner is None else self._free.index(owner))
            return
        self._free.pop(0)
        turn.warm = owner
        if not turn.number:
            turn.left += caches.switch_ms
            self.switched_ms += caches.switch_ms
            self.switches += 1

    def _leave(self, turn: _Turn) -> None:
        taken = self._environment.now - turn.started
        self._busy += taken
        turn.run += taken
        turn.left = max(0.0, turn.left - taken / turn.slower)
        turn.number += 1  # the timeout of its slice means nothing any more
        self._running.remove(turn)
        self._free.append(turn.warm)

    def _interrupt(self, turn: _Turn) -> None:
        """A thread makes room, and goes on as soon as a core is free."""
        self._leave(turn)
        if turn.job.short:
            self._next.appendleft(turn)
        elif turn.run < min(_LEAST_MS, self._slice_ms):
            self._ready.appendleft(turn)
        else:  # it has had its share
            turn.run = 0.0
            self._ready.append(turn)

    def _stop(self, turn: _Turn) -> None:
        self._leave(turn)
        if not turn.ends:  # what is left would not say it: times are rounded
            turn.run = 0.0
            self._ready.append(turn)
        else:
            turn.job.threads -= 1
            if not turn.job.threads:
                turn.job.done.succeed()
        waiting = self._next or self._ready
        if waiting and len(self._running) < self.count:
            self._start(waiting.popleft())


@dataclass(eq=False, slots=True)
class _Job:
    threads: int
    done: Any
    caches: Caches | None = None
    short: bool = False


@dataclass(eq=False, slots=True)
class _Turn:
    """One thread of a job, and its slice on a core."""

    job: _Job
    left: float
    slower: float = 1.0
    started: float = 0.0
    run: float = 0.0
    number: int = 0
    ends: bool = False
    warm: Any = None


class Thread:
    """Handles one message after the other on shared cores, and sleeps when there is none.

    Args:
        environment: of simpy.
        cores: that it runs on; None for a machine of its own, where it costs no time here.
        wake_ms: each time that it wakes.
        item_ms: of each message.
        asleep_ms: from a message for a sleeping thread until it asks for a core, which is idle meanwhile.
    """

    def __init__(
        self,
        environment: Any,
        cores: Cores | None,
        wake_ms: float,
        item_ms: float,
        asleep_ms: float = 0.0,
    ) -> None:
        self._environment, self._cores = environment, cores
        self._wake_ms, self._item_ms, self._asleep_ms = wake_ms, item_ms, asleep_ms
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self._running = False
        self.wakes = 0

    def handle(self, then: Callable[[], None], share: float = 1.0) -> None:
        """Handle a message, and call `then` when that is done.

        Args:
            then: what follows.
            share: of `item_ms` that it costs.
        """
        if self._cores is None or self._wake_ms + self._item_ms + self._asleep_ms == 0:
            self.wakes += 1
            then()
            return
        self._waiting.append((share, then))
        if not self._running:
            self._running = True
            self.wakes += 1
            if self._asleep_ms:
                timeout = self._environment.timeout(self._asleep_ms)
                timeout.callbacks.append(lambda _: self._next(self._wake_ms, wakes=True))
            else:
                self._next(self._wake_ms, wakes=True)

    def _next(self, before: float = 0.0, *, wakes: bool = False) -> None:
        assert self._cores is not None, "a thread without cores handles at once"
        share, then = self._waiting.popleft()

        def handled(_: Any) -> None:
            then()
            if self._waiting:
                self._next()
            else:
                self._running = False

        work = before + share * self._item_ms
        self._cores.run(work, wakes=wakes, goes_on=not wakes, short=True).callbacks.append(handled)
