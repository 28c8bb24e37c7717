"""Measures `Costs`: the runner's batches in this process, and what a served request costs beside them.

Two windows of a closed loop tell the second: one request at a time, and enough of them to keep all cores busy. The
processor time of server, instances and load generator in both gives the costs of a batch and of a request; that of the
instances also corrects the runner's times by one factor.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...bundle import Bundle
from ...errors import LithoError
from ...runners import Runner, open_runner
from ...runners.rectified_flow import Runner as Sampler
from ..load.documents.measurement import Measurement
from .costs import Costs, Overhead
from .shape import Kind, Served, Site, Traffic
from .simulation import Model, Simulated, simulate

__all__ = ["Spent", "fitted", "measure_runner", "spent_in"]

_LEAST_TURNS = 5
_SIZES_AT_LEAST = 2
_QUANTILES = 41
"""Of the latencies of lone requests, by which a batch's time varies."""

_PATIENCE = (0.0, 0.1, 0.2, 0.3, 0.45, 0.6)
"""What is tried for `Costs.patience`."""

_ROUNDS = 3
"""Simulations that find how many batches and wakes the costs lead to, which give better costs."""


@dataclass(frozen=True)
class Spent:
    """Processor time for each request of a window, in milliseconds.

    Args:
        client: of the load generator.
        server: of the server without its instances.
        instances: of these.
        batches: for each request; None where the server does not count them.
        mean_ms: latency.
        latencies_ms: FP64 of shape (requests,).
    """

    client: float
    server: float
    instances: float
    batches: float | None
    mean_ms: float
    latencies_ms: Any


def spent_in(measured: Measurement) -> Spent:
    """What the requests of a window cost.

    Raises:
        LithoError: the processes of the server were not seen, or one of them ended.
    """
    used, requests = measured.resources, measured.requests
    if used is None or used.server is None or used.stubs is None:
        raise LithoError("the processes of the server cannot be measured; it must run on this machine")
    scale = 1e3 / requests * measured.seconds / used.seconds
    counted = measured.server
    return Spent(
        client=used.client.cpu_seconds * scale,
        server=used.server.cpu_seconds * scale,
        instances=used.stubs.cpu_seconds * scale,
        batches=counted.executions / counted.requests if counted and counted.requests else None,
        mean_ms=float(measured.latencies_ms.mean()),
        latencies_ms=measured.latencies_ms,
    )


def measure_runner(bundle: Bundle, variant: str | None, served: Served, device: str, seconds: float) -> Costs:
    """Costs of batches of 1, 2, 4, ... rows in this process, without any overhead.

    Args:
        bundle: whose variant is timed.
        variant: as `runners.choose_variants` takes it.
        served: instances, threads and largest batch.
        device: "cpu" or "cuda".
        seconds: of the measurement, about.

    Raises:
        LithoError: the variant cannot be opened here.
    """
    threads = served.threads if device == "cpu" else None
    with ExitStack() as stack:
        runners = [
            stack.enter_context(open_runner(bundle, variant, device=device, threads=threads))
            for _ in range(served.instances if device == "cpu" else 1)
        ]
        largest = min(served.largest, runners[0].max_batch_size)
        timed = _Timed(device, served.threads)
        tables = {name: timed.table(make, largest, seconds / 4) for name, make in _works(runners[0]).items()}
        name = "step_ms" if "step_ms" in tables else "batch_ms"
        contention = timed.contention(
            [_works(runner)[name] for runner in runners], min(8, largest), seconds / 4
        )
    fields: dict[str, Any] = {**tables}
    return Costs(
        device="cpu" if device == "cpu" else "cuda", threads=served.threads, contention=contention, **fields
    )


def _works(runner: Runner) -> dict[str, Callable[[int], Callable[[], object]]]:
    """Field of `Costs` -> makes what is timed of so many rows."""
    if not isinstance(runner, Sampler):

        def batch(rows: int) -> Callable[[], object]:
            inputs = runner.signature.example(rows)
            return lambda: runner.run(inputs)

        return {"batch_ms": batch}

    def begin(rows: int) -> Callable[[], object]:
        inputs = runner.signature.check(runner.signature.example(rows))
        return lambda: runner.begin(inputs)

    def step(rows: int) -> Callable[[], object]:
        state = runner.begin(runner.signature.check(runner.signature.example(rows)))
        return lambda: runner.advance(state)

    def decode(rows: int) -> Callable[[], object]:
        state = runner.begin(runner.signature.check(runner.signature.example(rows)))
        return lambda: runner.decode(state.sample)

    return {"batch_ms": begin, "step_ms": step, "decode_ms": decode}


@dataclass(frozen=True)
class _Timed:
    """Times work; on a processor by processor time, which does not count other programs.

    Args:
        device: where the runner computes.
        threads: of the runner.
    """

    device: str
    threads: int

    def _now(self) -> float:
        return time.perf_counter() if self.device != "cpu" else time.process_time() / self.threads

    def milliseconds(self, work: Callable[[], object]) -> float:
        """Of one call."""
        begun = self._now()
        work()
        return (self._now() - begun) * 1e3

    def table(
        self, make: Callable[[int], Callable[[], object]], largest: int, seconds: float
    ) -> dict[int, float]:
        """Rows -> median milliseconds, taken in turns; what the time does not allow is left out."""
        end, works = time.perf_counter() + seconds, dict[int, Callable[[], object]]()
        found: dict[int, list[float]] = {}
        sizes = sorted(
            {1 << power for power in range(largest.bit_length()) if 1 << power <= largest} | {largest}
        )
        for rows in sizes:
            last = found[max(found)][0] / 1e3 if found else 0.0
            if len(found) >= _SIZES_AT_LEAST and time.perf_counter() + 2 * _LEAST_TURNS * last > end:
                break
            works[rows] = make(rows)
            works[rows]()  # the first run of a shape allocates
            found[rows] = [self.milliseconds(works[rows])]
        turns = 1
        while turns < _LEAST_TURNS or time.perf_counter() < end:
            for rows, work in works.items():
                found[rows].append(self.milliseconds(work))
            turns += 1
        return {rows: statistics.median(times) for rows, times in found.items()}

    def contention(
        self, makes: list[Callable[[int], Callable[[], object]]], rows: int, seconds: float
    ) -> float:
        """Processor time of a batch while all instances compute, over its time alone."""
        if len(makes) < 2:
            return 1.0
        works = [make(rows) for make in makes]
        for work in works:
            work()
        count = max(2, int(seconds / 8 / max(1e-4, self.milliseconds(works[0]) / 1e3)))

        def repeat(work: Callable[[], object]) -> None:
            for _ in range(count):
                work()

        ratios = list[float]()
        with ThreadPoolExecutor(len(works)) as pool:
            for _ in range(4):
                alone = self.milliseconds(lambda: repeat(works[0]))
                together = self.milliseconds(lambda: list(pool.map(repeat, works))) / len(works)
                ratios.append(together / alone)
        return max(1.0, statistics.median(ratios))


def fitted(
    costs: Costs,
    served: Served,
    site: Site,
    windows: Mapping[int, Spent],
    kinds: tuple[Kind, ...] = (Kind(),),
) -> Costs:
    """The costs with overhead, from two windows of a closed loop on a server of this machine.

    Args:
        costs: of the runner.
        served: how the model was served.
        site: this machine, whose load generator shares it.
        windows: clients -> what their requests cost; of 1, and of a number that keeps the cores busy.
        kinds: of the requests.
    """
    spent = dict(sorted(windows.items()))
    found = costs
    for _ in range(_ROUNDS):
        runs = [
            simulate(Model(found, served, site), Traffic(clients=clients, kinds=kinds), requests=2000)
            for clients in spent
        ]
        counts = [
            _Counts.of(costs, one, run, found.factor / costs.factor)
            for one, run in zip(spent.values(), runs, strict=True)
        ]
        found = _solved(costs, list(spent.values()), counts)
        found = found.model_copy(update={"spread": _spread(found, served, site, kinds, spent)})
    many, full = max(spent.items())
    traffic = Traffic(clients=many, kinds=kinds)
    tried = [found.model_copy(update={"patience": patience}) for patience in _PATIENCE]
    return min(
        tried, key=lambda one: _distance(simulate(Model(one, served, site), traffic, requests=4000), full)
    )


def _spread(
    costs: Costs, served: Served, site: Site, kinds: tuple[Kind, ...], windows: Mapping[int, Spent]
) -> tuple[float, ...]:
    """How times of equal requests differ: quantiles of the lone requests over those of their kinds alone."""
    clients, lone = min(windows.items())
    shares = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    equal = costs.model_copy(update={"spread": (1.0,)})
    run = simulate(Model(equal, served, site), Traffic(clients=clients, kinds=kinds), requests=2000)
    ratios = np.quantile(lone.latencies_ms, shares) / np.quantile(run.latencies_ms, shares)
    return tuple(np.sort(ratios / ratios.mean()).tolist())


def _distance(run: Simulated, spent: Spent) -> float:
    """How far a simulated window is from the measured one, in logarithms of median and 95th percentile."""
    shares = np.array([0.5, 0.95])
    return float(
        np.abs(np.log(np.quantile(run.latencies_ms, shares) / np.quantile(spent.latencies_ms, shares))).sum()
    )


@dataclass(frozen=True)
class _Counts:
    """What a request of a window stands for.

    Args:
        batches: for each request.
        work_ms: of the runner, by its own times, on all of its threads.
        wakes: of the load generator.
    """

    batches: float
    work_ms: float
    wakes: float

    @classmethod
    def of(cls, costs: Costs, spent: Spent, run: Simulated, factor: float) -> _Counts:
        """As the server counted, where it did, and else as simulated with times that were corrected by `factor`."""
        if spent.batches is None or costs.step_ms is not None:
            return cls(run.batches, run.work_ms * costs.threads / factor, run.wakes)
        rows = 1 / spent.batches
        low = int(rows)
        work = (1 - rows + low) * costs.begin(low) + (rows - low) * costs.begin(low + 1)
        return cls(spent.batches, work * spent.batches * costs.threads, run.wakes)


def _solved(costs: Costs, spent: Sequence[Spent], counts: Sequence[_Counts]) -> Costs:
    """Costs that explain both windows."""
    (lone, full), (one, many) = spent, counts
    slower = costs.contention
    factor, per_batch = 1.0, lone.instances / one.batches
    if costs.device == "cpu":
        system = np.array([[one.batches, one.work_ms], [many.batches, many.work_ms]])
        per_batch, factor = np.linalg.solve(system, [lone.instances, full.instances / slower]).tolist()
        if per_batch < 0 or factor <= 0:
            per_batch, factor = 0.0, full.instances / slower / many.work_ms
    request, server_batch = _split(lone.server, full.server / slower, one.batches, many.batches)
    client, wake = _split(lone.client, full.client / slower, one.wakes, many.wakes)
    taken = lone.client + lone.server + lone.instances
    overhead = Overhead(
        batch_ms=per_batch + server_batch,
        request_ms=request,
        wake_ms=wake,
        client_ms=client,
        idle_ms=max(0.0, lone.mean_ms - taken) if costs.device == "cpu" else 0.0,
    )
    return costs.scaled(factor).model_copy(update={"overhead": overhead})


def _split(lone: float, full: float, first: float, second: float) -> tuple[float, float]:
    """A cost for each request and one for each event, from the costs of a request with so many events each."""
    each = (lone - full) / (first - second) if first > second else 0.0
    each = min(max(0.0, each), lone / max(first, 1e-9))
    return max(0.0, lone - each * first), each
