"""One machine under a load, simulated with measured costs: latencies, throughput and what is busy.

A request leaves the load generator, passes the server, waits for a batch or a lane, is computed and answered. All of
it shares the machine's cores in turns; runners on a GPU share that instead. simpy keeps the events.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...extras import require
from .batcher import Batcher, Request
from .cores import Caches, Cores, Task, Thread
from .costs import Costs
from .lanes import Lanes
from .shape import Served, Site, Traffic, deck

__all__ = ["REQUESTS", "Model", "Simulated", "Window", "simulate"]

REQUESTS = 10_000
"""Requests of a simulation, unless said otherwise."""

_WARM_UP = 0.1
"""Share of the requests that are not counted, because the machine was empty before."""

_BACKLOG = 0.2
"""Share of the requests that may wait at the last arrival; with more, the load was too much."""

_MOMENT_MS = 1e-7

_WAKE, _TAKE, _AFTER = 0.225, 0.1, 0.2
"""Of `Overhead.pass_ms`: what the threads that receive and send take each time that they wake, twice for a lone
request, and what the instance's thread takes before the instance has its batch. Of `Overhead.batch_ms`: what the
instance does after the answers. By the kernel's record of thread switches; docs/scale.md."""

_VARIED = 0.35
"""Standard deviation of a job of the server's threads over its mean, by the same record."""

_AT_ONCE = 1 << 14  # random numbers that are drawn together


@dataclass(frozen=True)
class Model:
    """A model on a machine.

    Args:
        costs: of its pictures there.
        served: how.
        site: the machine.
    """

    costs: Costs
    served: Served
    site: Site


@dataclass(frozen=True)
class Window:
    """One measured window, whose kinds of requests followed each other as in `shape.deck`.

    Args:
        times_ms: FP64 of shape (requests,), when the requests left, ascending; None of a closed loop.
        start_ms, end_ms: only requests that end between these count.
        drawn: seconds and number from which `serving.arrivals` draws the same times; None of a closed loop.
    """

    times_ms: NDArray[np.float64] | None
    start_ms: float
    end_ms: float
    drawn: tuple[float, int] | None = None


@dataclass(frozen=True)
class Simulated:
    """What a simulation found.

    Args:
        latencies_ms: FP64 of shape (requests,), from the scheduled time to the answer.
        requests_per_second: answered.
        utilisation: share of the cores that was busy, 0 to 1.
        device_utilisation: likewise of the GPUs; 0 without.
        mean_batch: rows of a batch, or of a step in flight.
        batches: for each request, or steps of a lane in flight.
        work_ms: of the runner for each request, alone.
        changes: batches that had another size than the last of their instance, for each request.
        wakes: of the load generator for each request.
        passes: what the server did for batches, for each request: 1 for a lone one.
        switches: of a core from one instance to another, for each request.
        switched_ms: that these cost, for each request.
        growing: whether the queue grew all the time: an open loop that the machine cannot follow.
    """

    latencies_ms: NDArray[np.float64]
    requests_per_second: float
    utilisation: float
    device_utilisation: float
    mean_batch: float
    batches: float
    work_ms: float
    changes: float
    wakes: float
    passes: float
    switches: float
    switched_ms: float
    growing: bool

    def quantile(self, share: float) -> float:
        """Milliseconds that a share of the requests do not exceed, nearest rank; infinite where the queue grows."""
        if self.growing:
            return float("inf")
        return float(np.quantile(self.latencies_ms, share, method="inverted_cdf"))


def simulate(
    model: Model,
    traffic: Traffic,
    *,
    requests: int = REQUESTS,
    seed: int = 0,
    window: Window | None = None,
) -> Simulated:
    """Simulate one machine.

    Args:
        model: that is served.
        traffic: its requests.
        requests: that are answered in all.
        seed: of arrivals, kinds and the spread of times; equal ones give equal results.
        window: that was measured, in place of drawn arrivals and kinds; `requests` then counts for nothing.

    Raises:
        MissingExtra: simpy is not installed.
    """
    machine = _Machine(model, traffic, np.random.default_rng(seed))
    return machine.run(requests) if window is None else machine.replay(window)


class _Machine:
    def __init__(self, model: Model, traffic: Traffic, generator: np.random.Generator) -> None:
        costs, served, site = model.costs, model.served, model.site
        self._environment: Any = require("simpy", "capacity").Environment()
        self._costs, self._served, self._traffic, self._generator = costs, served, traffic, generator
        make = partial(Cores, self._environment)
        # On one core no instance computes beside another, but in turns with it.
        self._one_core = site.cores == 1 and not site.devices
        contention = 1.0 if self._one_core else costs.contention
        self._cores = make(site.cores, contention, costs.slice_ms)
        # A GPU runs the kernels of several instances in turns: together they are no faster.
        self._devices = [make(1) for _ in range(site.devices if costs.device == "cuda" else 0)]
        overhead = costs.overhead
        clients = self._cores if site.clients_here else None
        if site.client_cores and not site.clients_here:
            clients = make(site.client_cores)
        self._client = Thread(clients, overhead.wake_ms, overhead.client_ms)
        self._server = Thread(
            self._cores, _WAKE * overhead.pass_ms, overhead.request_ms / 2, self._server_varied
        )
        self._batcher = Batcher(self._environment, served, self._execute)
        self._idle = deque(range(served.instances))
        # Each instance has a thread in the server, and a process that computes.
        self._backends = [Task() for _ in range(served.instances)]
        self._workers = [Task() for _ in range(served.instances)]
        self._lanes = None
        if served.batching == "in-flight":
            self._lanes = Lanes(self._environment, served, costs, self._step, self._answer)
        self._spread = np.array(costs.spread)
        self._first_row = 0.0 if costs.step_ms else costs.begin(1)
        self._drawn: list[float] = []
        self._last: dict[int, int] = {}
        self._ended: dict[int, float] = {}
        self._work, self._changes, self._computing = 0.0, 0, 0
        self._made: list[Request] = []
        self._answered = self._batches = self._rows = self._turn = 0
        self._most = self._first = self._backlog = 0
        self._mark: tuple[float, float, float, int] = (0.0, 0.0, 0.0, 0)

    def run(self, requests: int) -> Simulated:
        """Follow the traffic until so many requests are answered."""
        first = int(requests * _WARM_UP)
        self._kinds = self._chosen_kinds(requests)
        gaps = None
        if self._traffic.rate is not None:
            gaps = self._generator.exponential(1e3 / self._traffic.rate, requests)
        self._follow(requests, first, gaps)
        latencies = [request.ended - request.scheduled for request in self._made[first:]]
        return self._result(np.array(latencies))

    def replay(self, window: Window) -> Simulated:
        """Follow a measured window, and count what was counted then."""
        times, start, end = window.times_ms, window.start_ms, window.end_ms
        self._kinds = deck(self._traffic.kinds)
        if times is not None:
            self._follow(len(times), 0, np.diff(times, prepend=0.0))
        else:
            start, end = self._follow_between(start, end)
        made = [one for one in self._made if start < one.ended <= end]
        found = self._result(np.array([request.ended - request.scheduled for request in made]))
        return replace(found, requests_per_second=len(made) / (end - start) * 1e3)

    def _follow_between(self, start_ms: float, end_ms: float) -> tuple[float, float]:
        """Follow a closed loop; warm-up and window each last until as many requests have ended as are in flight."""
        self._most = 1 << 62
        self._finished = self._environment.event()
        clients = self._traffic.clients or 1
        for _ in range(clients):
            self._send(self._environment.now)
        start = self._run_until(start_ms, clients)
        self._mark = (start, *self._used(), self._answered)
        return start, self._run_until(start + end_ms - start_ms, self._answered + clients)

    def _run_until(self, time_ms: float, answered: int) -> float:
        """Run until then, and until so many requests are answered; the time."""
        if time_ms > self._environment.now:
            self._environment.run(time_ms)
        while self._answered < answered:
            self._environment.step()
        return self._environment.now

    def _follow(self, requests: int, first: int, gaps: NDArray[np.float64] | None) -> None:
        self._most, self._first = requests, first
        self._finished = self._environment.event()
        if gaps is None:
            for _ in range(min(self._traffic.clients or 1, requests)):
                self._send(self._environment.now)
        else:
            self._environment.process(self._arrivals(gaps.tolist()))
        self._environment.run(self._finished)

    def _chosen_kinds(self, requests: int) -> list[int]:
        weights = np.array([kind.weight for kind in self._traffic.kinds])
        return self._generator.choice(len(weights), requests, p=weights / weights.sum()).tolist()

    def _arrivals(self, gaps: list[float]) -> Any:
        for gap in gaps:
            yield self._environment.timeout(gap)
            self._send(self._environment.now)
        self._backlog = len(self._made) - self._answered

    def _send(self, scheduled: float, share: float = 0.5) -> None:
        """A request leaves; in a closed loop the wake that brought an answer has sent it already."""
        number = len(self._made)
        kind = self._traffic.kinds[self._kinds[number % len(self._kinds)]]
        request = Request(number, kind.rows, kind.steps, scheduled, left=kind.rows)
        self._made.append(request)
        self._client.handle(partial(self._arrive, request), share)

    def _arrive(self, request: Request) -> None:
        idle = self._costs.overhead.idle_ms * self._cores.idle_share
        if idle > 0:
            timeout = self._environment.timeout(idle)
            timeout.callbacks.append(lambda _: self._serve(request))
        else:
            self._serve(request)

    def _serve(self, request: Request) -> None:
        queue = self._batcher.put if self._lanes is None else self._lanes.put
        self._server.handle(partial(queue, request), 0.5)

    def _execute(self, requests: list[Request]) -> None:
        self._environment.process(self._batch(requests, self._idle.popleft()))

    def _batch(self, requests: list[Request], instance: int) -> Any:
        overhead, backend = self._costs.overhead, self._backends[instance]
        steps = [request.steps for request in requests for _ in range(request.rows)]
        self._batches, self._rows = self._batches + 1, self._rows + len(steps)
        before = (1 - _AFTER) * overhead.batch_ms + overhead.share_ms * len(requests)
        before += self._changed(instance, len(steps))
        before += self._costs.cold(self._cores.idle - self._ended.get(instance, 0.0))
        work = self._costs.whole(steps)
        self._work += work
        yield self._in_server(_TAKE * overhead.pass_ms, backend)
        if self._one_core and self._computing:
            work *= self._costs.contention
        self._computing += 1
        yield from self._compute(before, work, instance, len(steps))
        self._computing -= 1
        # One thread of the server answers the requests of a batch in turn; its instance is not free before.
        for request in requests:
            yield self._in_server(overhead.request_ms / 2, backend)
            self._send_answer(request)
        after = _AFTER * overhead.batch_ms
        if after:
            self._cores.run(after, self._workers[instance])
        yield self._in_server((1 - 2 * _WAKE - _TAKE) * overhead.pass_ms, backend)
        self._idle.append(instance)
        self._ended[instance] = self._cores.idle
        self._batcher.release()

    def _in_server(self, work_ms: float, task: Task) -> Any:
        return self._cores.run(max(_MOMENT_MS, work_ms * self._server_varied()), task)

    def _server_varied(self) -> float:
        return float(self._generator.gamma(_VARIED**-2, _VARIED**2))

    def _compute(self, overhead_ms: float, work_ms: float, owner: int, rows: int = 1) -> Any:
        """Overhead on a core and work of the runner, by the process of an instance."""
        overhead, work = self._varied(overhead_ms, work_ms)
        # Who gets a core back misses there what the next slice needs: as much as a batch that takes no longer.
        slices = max(1.0, work_ms / self._costs.slice_ms)
        again = self._costs.switch(max(1, round(rows / slices)))
        threads, caches = self._served.threads, Caches(owner, self._costs.switch(rows), again)
        worker = self._workers[owner]
        if not self._devices and threads == 1:
            yield self._cores.run(overhead + work, worker, caches=caches)
            return
        self._turn += 1
        yield self._cores.run(overhead, worker, caches=caches)
        if self._devices:
            yield self._devices[self._turn % len(self._devices)].run(work)
        else:
            yield self._cores.run(work, threads=threads, caches=Caches(owner))

    def _changed(self, instance: int, rows: int) -> float:
        """Further milliseconds because an instance computes another number of rows than it did last."""
        before, self._last[instance] = self._last.get(instance, rows), rows
        if rows == before:
            return 0.0
        self._changes += 1
        return self._costs.change_ms

    def _step(self, overhead_ms: float, work_ms: float, lane: int) -> Any:
        self._work += work_ms
        return self._environment.process(self._compute(overhead_ms, work_ms, lane))

    def _varied(self, overhead_ms: float, work_ms: float) -> tuple[float, float]:
        """Overhead and work of a batch, drawn: equal ones differ, long ones by as many milliseconds as short ones."""
        further = self._draw() - 1
        costs = self._costs.overhead
        before = min(overhead_ms, costs.batch_ms + costs.share_ms)
        first = min(work_ms, self._first_row) if self._first_row else work_ms
        rest = work_ms - first
        if self._costs.jitter and rest > 0:
            sigma = self._costs.jitter
            rest *= float(self._generator.lognormal(-sigma * sigma / 2, sigma))
        return overhead_ms + before * further, rest + first * (1 + further)

    def _draw(self) -> float:
        if len(self._spread) == 1:
            return float(self._spread[0])
        if not self._drawn:
            self._drawn = self._generator.choice(self._spread, _AT_ONCE).tolist()
        return self._drawn.pop()

    def _answer(self, request: Request) -> None:
        work = self._costs.overhead.request_ms / 2
        self._cores.run(work).callbacks.append(lambda _: self._send_answer(request))

    def _send_answer(self, request: Request) -> None:
        self._server.handle(lambda: self._client.handle(lambda: self._end(request), 0.5), 0.5)

    def _end(self, request: Request) -> None:
        now = self._environment.now
        request.ended = now
        self._answered += 1
        if self._answered == self._first:
            self._mark = (now, *self._used(), self._answered)
        if self._answered == self._most:
            self._finished.succeed()
        elif self._traffic.rate is None and len(self._made) < self._most:
            self._send(now)

    def _used(self) -> tuple[float, float]:
        return self._cores.busy, sum(device.busy for device in self._devices)

    def _result(self, latencies_ms: NDArray[np.float64]) -> Simulated:
        start, cores, devices, answered = self._mark
        taken = self._environment.now - start
        busy, device_busy = self._used()
        made, batches, rows = len(self._made), self._batches, self._rows
        if self._lanes is not None:
            batches, rows = self._lanes.steps, self._lanes.moved
        return Simulated(
            latencies_ms=latencies_ms,
            requests_per_second=(self._answered - answered) / taken * 1e3,
            utilisation=(busy - cores) / (taken * self._cores.count),
            device_utilisation=(device_busy - devices) / (taken * max(1, len(self._devices))),
            mean_batch=rows / batches,
            batches=batches / made,
            work_ms=self._work / made,
            changes=self._changes / made,
            wakes=self._client.wakes / made,
            passes=((1 - 2 * _WAKE) * batches + _WAKE * self._server.wakes) / made,
            switches=self._cores.switches / made,
            switched_ms=self._cores.switched_ms / made,
            growing=self._traffic.rate is not None and self._backlog > _BACKLOG * made,
        )
