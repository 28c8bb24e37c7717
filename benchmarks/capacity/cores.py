"""Cores that several threads share, and one that handles one message after the other, as events of simpy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

__all__ = ["Caches", "Cores", "Task", "Thread"]

_SLICE_MS = 1.4
"""Linux's base slice on two cores: so long after its last deadline comes the next one of a thread."""

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


@dataclass(eq=False, slots=True)
class _Job:
    left: float
    threads: list[int]
    done: Any
    caches: Caches | None
    begun: bool = False


@dataclass(eq=False, slots=True)
class Task:
    """A thread of the operating system: it does its jobs in turn, and sleeps when there is none.

    The scheduler remembers of one that sleeps by how much it is behind its fair share, or ahead of it.
    """

    state: Literal["asleep", "late", "ready", "running"] = field(default="asleep", init=False)
    jobs: deque[_Job] = field(default_factory=deque, init=False)
    virtual: float = field(default=0.0, init=False)
    deadline: float = field(default=0.0, init=False)
    safe: float = field(default=0.0, init=False)
    lag: float = field(default=0.0, init=False)
    started: float = field(default=0.0, init=False)
    slower: float = field(default=1.0, init=False)
    number: int = field(default=0, init=False)
    warm: Any = field(default=None, init=False)


class Cores:
    """Threads share cores as Linux shares them (EEVDF, kernel/sched/fair.c), and none is idle while a thread waits.

    Each thread has a virtual time, which its time on a core advances. Who is not ahead of the mean has not had more
    than its fair share, and of these the one with the earliest deadline is next. A thread keeps its core until its
    deadline, unless it is ahead of the mean when another one wakes. One that falls asleep ahead of the mean still
    counts until it is the next one: so it cannot shed what it has had too much. The clock ticks all 4 ms. All cores
    here have one queue.

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
        self._ready: list[Task] = []
        self._running: list[Task] = []
        self._ticking = False
        self._mean_ms = 0.0  # virtual time of a core that nobody wants
        self._busy = self._updated = 0.0
        self.switches, self.switched_ms = 0, 0.0
        self._free: list[Any] = [None] * count  # whose caches are on each core that is free

    @property
    def busy(self) -> float:
        """Core milliseconds used so far."""
        now = self._environment.now
        return self._busy + sum(now - task.started for task in self._running)

    @property
    def idle(self) -> float:
        """Milliseconds that a core had nothing to do so far, the mean of all."""
        return self._environment.now - self.busy / self.count

    @property
    def idle_share(self) -> float:
        """Share of the cores that nothing wants now."""
        return 1 - len(self._running) / self.count

    def run(
        self, work: float, task: Task | None = None, *, threads: int = 1, caches: Caches | None = None
    ) -> Any:
        """The event at which a job is finished.

        A thread that gets its next job at the moment at which it has finished one goes on; else it has slept.

        Args:
            work: milliseconds that it takes alone.
            task: the thread that does it, after what it has to do already; None for new ones.
            threads: so many, for one that uses several all the time.
            caches: that the job needs; None for one that needs none and leaves them as they are.
        """
        done = self._environment.event()
        if work <= 0 and not (task is not None and task.jobs):
            return done.succeed()
        shared = [threads]
        for _ in range(threads):
            one = task if task is not None and threads == 1 else Task()
            one.jobs.append(_Job(work, shared, done, caches))
            if len(one.jobs) > 1:
                continue
            if one.state == "running":
                self._begin(one)
            elif one.state != "ready":
                self._wake(one)
        return done

    def _mean(self) -> float:
        self._update()
        count = len(self._running) + len(self._ready)
        if count:
            total = 0.0
            for task in self._running:
                total += task.virtual
            for task in self._ready:
                total += task.virtual
            self._mean_ms = total / count
        return self._mean_ms

    def _update(self) -> None:
        now = self._environment.now
        if now == self._updated:  # who runs since this moment has had nothing
            return
        self._updated = now
        for task in self._running:
            taken = now - task.started
            self._busy += taken
            task.virtual += taken
            task.started = now
            if task.jobs:
                left = task.jobs[0].left - taken / task.slower
                task.jobs[0].left = left if left > 0 else 0.0

    def _wake(self, task: Task) -> None:
        self._queue_up(task)
        if len(self._running) < self.count:
            self._ready.remove(task)
            self._start(task)
            return
        crowded = len(self._running) + len(self._ready) > self.count + 1  # others waited before
        for other in tuple(self._running):
            over = self._renewed(other)
            mean = self._mean()
            ahead = other.virtual > mean + _NOW_MS
            if not ahead and other.virtual + _NOW_MS < other.safe:
                continue
            best = self._best(mean, other)
            if best is task or (crowded and (over or other.virtual + _NOW_MS >= other.safe)):
                self._replace(other)
            if task.state == "running":
                return
        self._clock()

    def _queue_up(self, task: Task) -> None:
        """Put a thread that wakes among those that wait."""
        mean = self._mean()
        if task.state == "late":
            # It still counts with what it was ahead; what it was behind since then is forgotten.
            if task.virtual <= mean:
                task.virtual, task.deadline = mean, mean + self._slice_ms
        else:
            count = len(self._running) + len(self._ready)
            task.virtual = mean - (task.lag * (count + 1) / count if count else 0.0)
            task.deadline = task.virtual + self._slice_ms
            self._ready.append(task)
        task.state = "ready"

    def _renewed(self, task: Task) -> bool:
        """Whether a thread has reached its deadline, and has the next one now; the clock may have seen it before."""
        self._update()
        since = self._environment.now % self._tick_ms
        at_tick = task.virtual - since
        if at_tick >= task.deadline:
            task.deadline = at_tick + self._slice_ms
        if task.virtual + _NOW_MS < task.deadline:
            return False
        task.deadline = task.virtual + self._slice_ms
        return True

    def _best(self, mean: float, running: Task | None = None) -> Task | None:
        """Who is next: the earliest deadline of those that are not ahead; one that sleeps leaves the queue by that."""
        while True:
            every = [*self._ready, *((running,) if running is not None else ())]
            fair = [task for task in every if task.virtual <= mean + _NOW_MS]
            if not every:
                return None
            best = min(fair or every, key=lambda task: task.deadline)
            if best.state != "late":
                return best
            self._ready.remove(best)
            best.state, best.lag = "asleep", min(0.0, mean - best.virtual)
            mean = self._mean()

    def _clock(self) -> None:
        if not self._ticking:
            self._ticking = True
            now = self._environment.now
            timeout = self._environment.timeout(self._tick_ms - now % self._tick_ms)
            timeout.callbacks.append(self._tick)

    def _tick(self, _: Any) -> None:
        if self._ready:
            for task in tuple(self._running):
                over = self._renewed(task)
                if self._ready and (over or task.virtual + _NOW_MS >= task.safe):
                    self._replace(task)
        self._ticking = bool(self._ready)
        if self._ticking:
            self._environment.timeout(self._tick_ms).callbacks.append(self._tick)

    def _replace(self, task: Task) -> None:
        """A running thread may lose its core to who is next."""
        mean = self._mean()
        following = self._best(mean, task)
        if following is None or following is task:
            task.safe = task.deadline
            return
        self._leave(task)
        task.state = "ready"
        self._ready.append(task)
        self._ready.remove(following)
        self._start(following)
        self._clock()

    def _start(self, task: Task) -> None:
        """A thread gets a core, if there is one with its data that one."""
        caches = task.jobs[0].caches if task.jobs else None
        at = self._free.index(caches.owner) if caches is not None and caches.owner in self._free else 0
        task.warm = self._free.pop(at)
        task.state, task.safe = "running", task.deadline
        self._running.append(task)
        task.started = self._environment.now
        if task.jobs:
            self._begin(task)

    def _begin(self, task: Task) -> None:
        """A thread that has a core begins its job, or goes on with it."""
        task.started, job = self._environment.now, task.jobs[0]
        caches = job.caches
        if caches is not None and caches.owner != task.warm:
            task.warm = caches.owner
            further = caches.again_ms if job.begun else caches.switch_ms
            job.left += further
            self.switched_ms += further
            self.switches += not job.begun
        job.begun = True
        self._time(task)

    def _time(self, task: Task) -> None:
        """Say when a thread will be done, and how fast all are beside it."""
        share = (len(self._running) - 1) / (self.count - 1) if self.count > 1 else 1.0
        slower = 1 + (self._contention - 1) * share
        if self.count > 1:
            self._update()
        for one in self._running if self.count > 1 and self._contention > 1 else [task]:
            if one.jobs and (one is task or one.slower != slower):
                one.slower, one.number = slower, one.number + 1
                timeout = self._environment.timeout(one.jobs[0].left * slower)
                timeout.callbacks.append(partial(self._finish, one, one.number))

    def _leave(self, task: Task) -> None:
        self._update()
        task.number += 1  # the timeout of its end means nothing any more
        self._running.remove(task)
        self._free.append(task.warm)

    def _finish(self, task: Task, number: int, _: Any) -> None:
        if number != task.number:
            return
        self._update()
        job = task.jobs.popleft()
        job.threads[0] -= 1
        if not job.threads[0]:
            job.done.succeed()
        if task.jobs:
            self._begin(task)
            return
        # Who waits for the end may have more for this thread; that is known at this moment, after that event.
        self._environment.timeout(0.0).callbacks.append(partial(self._sleep, task))

    def _sleep(self, task: Task, _: Any) -> None:
        if task.jobs or task.state not in ("running", "ready"):
            return
        lag = self._mean() - task.virtual
        had = task.state == "running"
        if had:
            self._leave(task)
        else:
            self._ready.remove(task)
        task.lag = max(-_LAG_MS, min(_LAG_MS, lag))
        task.state = "asleep"
        if lag < -_NOW_MS and (self._ready or self._running):
            task.state = "late"
            self._ready.append(task)
        if not had:
            return
        following = self._best(self._mean())
        if following is not None:
            self._ready.remove(following)
            self._start(following)
        elif self._running and self.count > 1 and self._contention > 1:
            self._time(self._running[-1])


class Thread:
    """Handles one message after the other on shared cores, and sleeps when there is none.

    Args:
        cores: that it runs on; None for a machine of its own, where it costs no time here.
        wake_ms: each time that it wakes.
        item_ms: of each message.
        varied: how many times as long each of its jobs takes; without, all take the same.
    """

    def __init__(
        self,
        cores: Cores | None,
        wake_ms: float,
        item_ms: float,
        varied: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._cores, self._task, self._varied = cores, Task(), varied
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
            self.wakes += 1
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

        work = (before + share * self._item_ms) * self._varied()
        self._cores.run(work, self._task).callbacks.append(handled)
