"""Which form of batching suits a machine: both are simulated with the step costs that were measured on it.

Whole requests: a free lane takes all waiting requests and answers them together. In flight: a lane admits rows between
its steps and answers each row when it is finished. Lanes are instances or threads that compute at the same time.
"""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...bundle import Bundle
from ...runners import open_runner
from ...runners.rectified_flow import Runner
from ..configuration.settings import Batching, ServingSettings
from .step_costs import StepCosts

__all__ = ["LOAD", "STEPS", "Choice", "Comparison", "choose_batching", "compare", "lanes_of", "simulate"]

STEPS = (4, 8, 16, 32)
"""Steps that simulated requests ask for, equally often."""

LOAD = 0.7
"""Share of the better form's saturation at which latencies are compared."""

LEAST_SATURATION = 0.97
_REQUESTS = 2000


@dataclass(frozen=True)
class Comparison:
    """In-flight batching against whole requests on one machine, by simulation.

    Args:
        short_p50: median latency of requests with the fewest steps, in flight / whole.
        all_p95: 95th percentile of all latencies, in flight / whole.
        goodput: share answered within three times the lone latency, in flight / whole.
        saturation: pictures a second with a queue that never empties, in flight / whole.
    """

    short_p50: float
    all_p95: float
    goodput: float
    saturation: float

    @property
    def better(self) -> Batching:
        """The form to serve with: in flight, where it answers sooner and costs next to no throughput."""
        sooner = self.short_p50 < 1 and self.all_p95 <= 1
        return "in-flight" if sooner and self.saturation >= LEAST_SATURATION else "whole"

    @property
    def reason(self) -> str:
        """Why, in one line."""
        figures = (
            f"at {LOAD:.0%} load the shortest requests take {self.short_p50:.2f} times as long as with whole requests"
            f" and the slowest twentieth {self.all_p95:.2f} times, at {self.saturation:.2f} times the throughput"
        )
        if self.better == "in-flight":
            return f"in-flight batching wins on this machine: {figures}"
        return f"whole requests win on this machine: in flight, {figures}"


@dataclass(frozen=True)
class Choice:
    """The form that a deployment gets, and why.

    Args:
        batching: the form.
        reason: one line.
    """

    batching: Batching
    reason: str


def choose_batching(bundle: Bundle, variant: str | None, settings: ServingSettings) -> Choice:
    """Choose the form of batching by the step costs that are measured on this machine, in about two seconds.

    Args:
        bundle: to deploy.
        variant: as `runners.choose_variants` takes it.
        settings: of the deployment; their device, lanes, threads, live rows and largest batch count.

    Raises:
        LithoError: the variants cannot be opened on this machine.
    """
    if bundle.manifest.sampler is None:
        return Choice("whole", f"{bundle.manifest.name} is one graph without steps: its requests stay whole")
    lanes, threads = lanes_of(settings.device, settings.lanes, settings.threads)
    with open_runner(bundle, variant, device=settings.device, threads=threads) as runner:
        if not isinstance(runner, Runner):
            return Choice("whole", f"{runner.description} takes no steps: its requests stay whole")
        largest = settings.max_batch_size or runner.max_batch_size
        costs = StepCosts.measure(runner, largest, threads=threads)
    cap = min(settings.live_rows or costs.knee(), largest)
    found = compare(costs, lanes=lanes, cap=cap, largest=largest)
    return Choice(found.better, f"{found.reason} ({lanes} lanes of {cap} rows; a step costs {costs})")


def lanes_of(
    device: str, lanes: int | None = None, threads: int | None = None, cores: int | None = None
) -> tuple[int, int | None]:
    """How many lanes compute at the same time in flight, and the threads of each; None for the runtime's choice.

    On a CPU two lanes share the cores: each has its own rows, and neither waits for the other's threads. On a GPU a
    second lane would only halve the rows of a step.

    Args:
        device: as `open_runner` takes it.
        lanes, threads: where they are given.
        cores: of the machine; by default those that this process may use.
    """
    cores = cores or len(os.sched_getaffinity(0))
    if device != "cpu":
        return lanes or 1, None
    lanes = lanes or min(2, cores)
    return lanes, threads or max(1, cores // lanes)


def compare(costs: StepCosts, *, lanes: int, cap: int, largest: int = 64) -> Comparison:
    """Compare both forms by simulation.

    Args:
        costs: of one lane.
        lanes: that compute at the same time, in both forms.
        cap: most live rows of a lane in flight.
        largest: most requests of a batch of whole requests.
    """
    generator = np.random.default_rng(0)
    steps = generator.choice(STEPS, _REQUESTS)
    forms: tuple[tuple[Batching, int], ...] = (("in-flight", cap), ("whole", largest))
    rates = [_saturation(form, costs, steps, lanes=lanes, cap=size) for form, size in forms]
    arrivals = np.cumsum(generator.exponential(1e3 / (LOAD * max(rates)), _REQUESTS))
    lone = 3 * steps * costs.at(1)
    flight, whole = (simulate(form, costs, arrivals, steps, lanes=lanes, cap=size) for form, size in forms)
    short = steps == min(STEPS)
    return Comparison(
        short_p50=float(np.median(flight[short]) / np.median(whole[short])),
        all_p95=float(np.quantile(flight, 0.95) / np.quantile(whole, 0.95)),
        goodput=float((flight <= lone).mean() / max((whole <= lone).mean(), 1 / _REQUESTS)),
        saturation=rates[0] / rates[1],
    )


def simulate(
    form: Batching,
    costs: StepCosts,
    arrivals: NDArray[np.float64],
    steps: NDArray[np.int64],
    *,
    lanes: int,
    cap: int,
) -> NDArray[np.float64]:
    """Latency of each request in milliseconds.

    Args:
        form: of batching.
        costs: of one lane.
        arrivals: of the requests, in milliseconds, ascending.
        steps: of the requests.
        lanes: that compute at the same time.
        cap: most rows of a lane.
    """
    cost = [0.0, *(costs.at(rows) for rows in range(1, cap + 1))]
    ends = np.zeros(len(steps))
    waiting: deque[int] = deque()
    live: list[list[list[int]]] = [[] for _ in range(lanes)]  # of each lane: steps to go, request
    events = [(float(arrival), -1, number) for number, arrival in enumerate(arrivals)]
    idle = set(range(lanes))
    heapq.heapify(events)
    while events:
        now, lane, number = heapq.heappop(events)
        if lane < 0:
            waiting.append(number)
            if not idle:
                continue
            lane = idle.pop()
        rows = live[lane]
        for row in [row for row in rows if row[0] <= 0]:
            ends[row[1]] = now
            rows.remove(row)
        if form == "whole":
            room = 0 if rows else cap
        else:
            share = -(-(sum(map(len, live)) + len(waiting)) // lanes)
            room = min(cap, share) - len(rows)
        while waiting and room > 0:
            rows.append([int(steps[waiting[0]]), waiting.popleft()])
            room -= 1
        if not rows:
            idle.add(lane)
            continue
        taken = 1
        duration = cost[len(rows)]
        if form == "whole":
            duration, taken = _batch_ms(cost, [row[0] for row in rows]), max(row[0] for row in rows)
        for row in rows:
            row[0] -= taken
        heapq.heappush(events, (now + duration, lane, 0))
    return ends - arrivals


def _batch_ms(cost: Sequence[float], steps: list[int]) -> float:
    """Milliseconds of a batch whose rows leave when they are finished."""
    return sum(cost[sum(given > step for given in steps)] for step in range(max(steps)))


def _saturation(form: Batching, costs: StepCosts, steps: NDArray[np.int64], *, lanes: int, cap: int) -> float:
    """Requests a second when all of them wait from the start."""
    latencies = simulate(form, costs, np.zeros(len(steps)), steps, lanes=lanes, cap=cap)
    return len(steps) / float(latencies.max()) * 1e3
