"""Cores that several jobs share, and a thread that handles one message after the other, as events of simpy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

__all__ = ["Caches", "Cores", "Thread"]

_SLICE_MS = 1.4
"""A thread that a core has picked is safe from others that wake for so long: Linux's base slice on two cores."""

_LAG_MS = 4.0
"""Most time by which a thread that sleeps is remembered to be behind, or ahead of, its fair share."""

_NOW_MS = 1e-9  # times are rounded


@dataclass(frozen=True, slots=True)
class Caches:
    """What a core should still hold when a job begins there.

    Args:
        owner: whose data.
        switch_ms: that the job takes longer where another owner's job was the last one.
        again_ms: likewise each time that it gets a core back and another owner has used it since.
    """

    owner: Any
    switch_ms: float = 0.0
    again_ms: float = 0.0


class Cores:
    """Threads share cores as Linux shares them (EEVDF, kernel/sched/fair.c), and none is idle while a thread waits.

    Each thread has a virtual time, which its time on a core advances; whose is no later than the mean has not had more
    than its fair share, and of these the one with the earliest deadline is next. A thread that wakes takes the core of
    one that has had its base slice; else it waits for the next tick of the clock, or for a core to become free. That
    makes the answers of a busy server uneven. All cores here have one queue.

    Args:
        environment: of simpy; its time is in milliseconds.
        count: cores, or 1 for a GPU.
        contention: time of a job while all cores are busy, over its time alone.
        slice_ms: from one tick of the clock to the next: longest time on a core while others wait.

    Attributes:
        count: cores.
        switches: jobs that began on a core which another owner had used since.
        switched_ms: that all jobs have taken longer because of that.
    """

    def __init__(self, environment: Any, count: int, contention: float = 1.0, slice_ms: float = 1.0) -> None:
        self._environment, self.count, self._contention = environment, count, contention
        self._tick_ms, self._slice_ms = slice_ms, min(_SLICE_MS, slice_ms)
        self._ready: list[_Turn] = []
        self._running: list[_Turn] = []
        self._ticking = False
        self._mean_ms = 0.0  # virtual time of a core that nobody wants
        self._asleep: dict[Any, float] = {}
        self._busy = 0.0
        self.switches, self.switched_ms = 0, 0.0
        self._free: list[Any] = [None] * count  # whose caches are on each core that is free

    @property
    def busy(self) -> float:
        """Core milliseconds used so far."""
        now = self._environment.now
        return self._busy + sum(now - turn.started for turn in self._running)

    @property
    def idle(self) -> float:
        """Milliseconds that a core had nothing to do so far, the mean of all."""
        return self._environment.now - self.busy / self.count

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
        caches: Caches | None = None,
    ) -> Any:
        """The event at which a job is finished.

        Args:
            work: milliseconds that it takes alone.
            threads: that it uses all the time.
            wakes: whether its threads have slept until now.
            goes_on: whether the thread had a core until this moment, and keeps it.
            caches: that the job needs; None for one that needs none and leaves them as they are.
        """
        done = self._environment.event()
        if work <= 0:
            return done.succeed()
        job = _Job(threads, done, caches)
        for _ in range(threads):
            turn = _Turn(job, work, self._placed(job))
            turn.deadline = turn.virtual + self._slice_ms
            if len(self._running) < self.count:
                self._start(turn)
            elif goes_on:
                self._replace(self._running[-1], turn)
            elif not (wakes and self._wake(turn)):
                self._wait(turn)
        return done

    def _placed(self, job: _Job) -> float:
        """Virtual time of a thread that wakes: the mean, but for what it was behind or ahead when it fell asleep."""
        mean = self._mean()
        count = len(self._running) + len(self._ready)
        lag = self._asleep.pop(job.caches.owner, 0.0) if job.caches is not None else 0.0
        return mean - lag * (count + 1) / max(1, count)

    def _mean(self) -> float:
        self._update()
        every = self._running + self._ready
        if every:
            self._mean_ms = sum(turn.virtual for turn in every) / len(every)
        return self._mean_ms

    def _update(self) -> None:
        now = self._environment.now
        for turn in self._running:
            taken = now - turn.started
            self._busy += taken
            turn.virtual += taken
            turn.left = max(0.0, turn.left - taken / turn.slower)
            turn.started = now

    def _wake(self, turn: _Turn) -> bool:
        """Whether a thread takes the core of one that has had its slice and its fair share."""
        self._ready.append(turn)
        mean, now = self._mean(), self._environment.now
        self._ready.remove(turn)
        if turn.virtual > mean + _NOW_MS:
            return False
        for other in self._running:
            if now - other.picked + _NOW_MS >= self._slice_ms and other.virtual >= mean - _NOW_MS:
                self._replace(other, turn)
                return True
        return False

    def _wait(self, turn: _Turn) -> None:
        self._ready.append(turn)
        if not self._ticking:
            self._ticking = True
            now = self._environment.now
            timeout = self._environment.timeout(self._tick_ms - now % self._tick_ms)
            timeout.callbacks.append(self._tick)

    def _tick(self, _: Any) -> None:
        self._ticking = bool(self._ready)
        if not self._ready:
            return
        now, mean = self._environment.now, self._mean()
        for turn in tuple(self._running):
            if turn.virtual + _NOW_MS >= turn.deadline:
                turn.deadline = turn.virtual + self._slice_ms
            if now - turn.picked + _NOW_MS < self._slice_ms or not self._ready:
                continue
            following = self._next(mean)
            if turn.virtual >= mean - _NOW_MS or following.deadline < turn.deadline:
                self._replace(turn, following)
        self._environment.timeout(self._tick_ms).callbacks.append(self._tick)

    def _next(self, mean: float) -> _Turn:
        """Of the threads that wait: the earliest deadline of those that have not had more than their share."""
        return min(self._ready, key=lambda one: (one.virtual > mean + _NOW_MS, one.deadline))

    def _replace(self, turn: _Turn, following: _Turn) -> None:
        self._leave(turn)
        if following in self._ready:
            self._ready.remove(following)
        self._start(following)
        self._wait(turn)

    def _start(self, turn: _Turn) -> None:
        turn.picked = turn.started = self._environment.now
        self._take_core(turn)
        self._running.append(turn)
        self._time(turn)

    def _time(self, turn: _Turn) -> None:
        """Say when a thread will be done, and how fast all are beside it."""
        share = (len(self._running) - 1) / (self.count - 1) if self.count > 1 else 1.0
        slower = 1 + (self._contention - 1) * share
        if self.count > 1:
            self._update()
        for one in self._running if self.count > 1 and self._contention > 1 else [turn]:
            if one is turn or one.slower != slower:
                one.slower, one.number = slower, one.number + 1
                timeout = self._environment.timeout(one.left * slower)
                timeout.callbacks.append(partial(self._stop, one, one.number))

    def _take_core(self, turn: _Turn) -> None:
        caches = turn.job.caches
        owner = None if caches is None else caches.owner
        if caches is None or owner in self._free:
            turn.warm = self._free.pop(0 if owner is None else self._free.index(owner))
            return
        self._free.pop(0)
        turn.warm = owner
        further = caches.again_ms if turn.number else caches.switch_ms
        turn.left += further
        self.switched_ms += further
        self.switches += not turn.number

    def _leave(self, turn: _Turn) -> None:
        self._update()
        turn.number += 1  # the timeout of its end means nothing any more
        self._running.remove(turn)
        self._free.append(turn.warm)

    def _stop(self, turn: _Turn, number: int, _: Any) -> None:
        if number != turn.number:
            return
        mean = self._mean()
        if turn.job.caches is not None:
            self._asleep[turn.job.caches.owner] = max(-_LAG_MS, min(_LAG_MS, mean - turn.virtual))
        self._leave(turn)
        turn.job.threads -= 1
        if not turn.job.threads:
            turn.job.done.succeed()
        if self._ready:
            following = self._next(self._mean())
            self._ready.remove(following)
            self._start(following)
        elif self._running and self.count > 1 and self._contention > 1:
            self._time(self._running[-1])


@dataclass(eq=False, slots=True)
class _Job:
    threads: int
    done: Any
    caches: Caches | None = None


@dataclass(eq=False, slots=True)
class _Turn:
    """One thread of a job, and its time on a core."""

    job: _Job
    left: float
    virtual: float
    deadline: float = 0.0
    slower: float = 1.0
    started: float = 0.0
    picked: float = 0.0
    number: int = 0
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
        self._resting: list[Callable[[], None]] = []
        self.wakes = 0

    def at_rest(self, then: Callable[[], None]) -> None:
        """Call `then` when no message waits any more; now, if none does."""
        if self._running:
            self._resting.append(then)
        else:
            then()

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
                rest, self._resting = self._resting, []
                for one in rest:
                    one()

        work = before + share * self._item_ms
        self._cores.run(work, wakes=wakes, goes_on=not wakes).callbacks.append(handled)
