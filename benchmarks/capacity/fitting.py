"""Measures `Costs`: the runner's batches in this process, and what a served request costs beside them.

Windows of a closed loop tell the second: one request at a time, and enough of them to keep all cores busy. The
processor time of server, instances and load generator in both gives the costs of a batch and of a request. Of a
sampler, that of the instances also corrects the runner's times by one factor. Where a model with one instance and one
with several were measured, their lone requests tell what it costs a core to change between instances.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Bundle
from ...errors import LithoError
from ...runners import Runner, open_runner
from ...runners.rectified_flow import Runner as Sampler
from ..load.documents.measurement import Measurement
from .costs import Costs, Overhead
from .shape import Kind, Served, Site, Traffic
from .simulation import Model, Simulated, Window, simulate

__all__ = ["NOTHING", "Further", "Spent", "fitted", "measure_runner", "spent_in", "usual_mean"]

_LEAST_TURNS = 5
_CALLS_MS = 5.0
"""Short batches are timed several at once, for about so long."""

_WARM_CALLS = 3
_SIZES_AT_LEAST = 2
_QUANTILES = 41
"""Of the latencies of lone requests, by which a batch's time varies."""

_PATIENCE, _JITTER, _EAGER = (0.0, 0.2, 0.5), (0.0, 0.15, 0.3), (0.0, 0.3, 0.6, 0.9)
"""What is tried for `Costs.patience`, `jitter` and `eager`."""

_WINDOWS = 3
"""Most windows of a load that are simulated for a fit."""

_REQUESTS = 2000
"""Of a simulation for a fit that does not follow measured windows."""

_ROUNDS = 2
"""Simulations that find how many batches and wakes the costs lead to, which give better costs."""


@dataclass(frozen=True)
class Spent:
    """Processor time for each request of a window, in milliseconds.

    Args:
        client: of the load generator.
        server: of the server without its instances.
        instances: of these.
        batches: for each request; None where the server does not count them.
        mean_ms: latency, without the slowest and the fastest hundredth: a machine that stalls is not a cost.
        latencies_ms: FP64 of shape (requests,).
        sizes: rows of a batch -> batches; None likewise.
        windows: that were measured, to be simulated likewise; without, long ones are.
    """

    client: float
    server: float
    instances: float
    batches: float | None
    mean_ms: float
    latencies_ms: Any
    sizes: Mapping[int, int] | None = None
    windows: tuple[Window, ...] = ()


def spent_in(measured: Measurement, windows: tuple[Window, ...] = ()) -> Spent:
    """What the requests of one or several windows cost.

    Args:
        measured: of all windows together.
        windows: when each was.

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
        mean_ms=usual_mean(measured.latencies_ms),
        latencies_ms=measured.latencies_ms,
        sizes=counted.batch_sizes if counted else None,
        windows=windows[:_WINDOWS],
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
        works = _works(runners[0])
        tables = {name: timed.table(make, largest, seconds / 4) for name, make in works.items()}
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

    def milliseconds(self, work: Callable[[], object], calls: int = 1) -> float:
        """Of one call, the mean of so many."""
        begun = self._now()
        for _ in range(calls):
            work()
        return (self._now() - begun) * 1e3 / calls

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
        calls = {rows: max(1, round(_CALLS_MS / max(1e-3, times[0]))) for rows, times in found.items()}
        turns = 1
        while turns < _LEAST_TURNS or time.perf_counter() < end:
            for rows, work in works.items():
                for _ in range(_WARM_CALLS):  # the last size has left its own data in the caches
                    work()
                found[rows].append(self.milliseconds(work, calls[rows]))
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


@dataclass(frozen=True)
class Further:
    """Windows of a generator of one graph that tell what else its batches cost.

    Args:
        single: lone requests of a model with one instance and as many threads; None if there were none.
        rows: pictures of a larger lone request to the same, and what it cost; None likewise.
        turns: lone requests to the same that have one and two pictures in turn, and what they cost.
        busy: clients that keep the same busy, and what their requests cost.
        gaps: milliseconds between lone requests to the same -> how long they take.
    """

    single: Spent | None = None
    rows: tuple[int, Spent] | None = None
    turns: Spent | None = None
    busy: tuple[int, Spent] | None = None
    gaps: Mapping[float, float] = field(default_factory=dict)


NOTHING = Further()


def fitted(
    costs: Costs,
    served: Served,
    site: Site,
    windows: Mapping[int, Spent],
    kinds: tuple[Kind, ...] = (Kind(),),
    further: Further = NOTHING,
) -> Costs:
    """The costs with overhead, from two or three windows of closed loops on a server of this machine.

    Args:
        costs: of the runner.
        served: how the model was served.
        site: the cores of the server, and where the load generator was.
        windows: clients -> what their requests cost; of 1, and of a number that keeps the cores busy.
        kinds: of the requests.
        further: windows that tell more about a generator of one graph.
    """
    fit = _Fit(costs, served, site, kinds)
    clients, full = max(windows.items())
    lone = min(windows.items())[1]
    found = costs
    for _ in range(_ROUNDS):
        found = fit.better(found, lone, (clients, full), further)
        tried = [
            found.model_copy(update={"patience": patience, "jitter": jitter, "eager": eager})
            for patience in _PATIENCE
            for jitter in _JITTER
            for eager in _EAGER
        ]
        found = min(tried, key=lambda one: _distance(fit.run(one, clients, full), full))
    return found


@dataclass(frozen=True)
class _Fit:
    """A search for costs that explain windows.

    Args:
        costs: of the runner alone.
        served, site, kinds: that were measured.
    """

    costs: Costs
    served: Served
    site: Site
    kinds: tuple[Kind, ...]

    def run(self, costs: Costs, clients: int, spent: Spent, served: Served | None = None) -> Simulated:
        """A closed loop, as it was measured."""
        model, traffic = (
            Model(costs, served or self.served, self.site),
            Traffic(clients=clients, kinds=self.kinds),
        )
        if not spent.windows:
            return simulate(model, traffic, requests=_REQUESTS)
        runs = [
            simulate(model, traffic, window=window, seed=number)
            for number, window in enumerate(spent.windows)
        ]
        names = ("batches", "work_ms", "changes", "wakes", "switches")
        return replace(
            runs[0],
            latencies_ms=np.concatenate([run.latencies_ms for run in runs]),
            **{name: float(np.mean([getattr(run, name) for run in runs])) for name in names},
        )

    def better(self, found: Costs, lone: Spent, full: tuple[int, Spent], further: Further) -> Costs:
        """Costs that explain the windows, with the batches, wakes and switches that the last ones led to."""
        alone = self.run(found, 1, lone)
        many = self.run(found, *full)
        first, one = lone, alone
        switch, single = 0.0, further.single
        if single is not None and self.costs.device == "cpu":
            first, one = single, self.run(found, 1, single, self.served.model_copy(update={"instances": 1}))
            # With a core for each instance nothing changes on it, and nothing is to be explained.
            if alone.switches > 0.5:
                switch = max(0.0, lone.instances - single.instances) / alone.switches
        corrected = self._corrected(first, further.rows)
        fit = replace(self, costs=corrected)
        factor = found.factor / corrected.factor
        change = 0.0
        if further.turns is not None:
            rows = (corrected.begin(2) - corrected.begin(1)) * corrected.threads / 2
            change = max(0.0, further.turns.instances - first.instances - rows)
        taken = many.switches * switch + many.changes * change
        full_spent = replace(full[1], instances=full[1].instances - taken)
        spent, loads = (first, full_spent), (one, many)
        if further.busy is not None and single is not None:
            # With one instance nothing is switched: what the costs do not explain of several is that.
            clients, busy = further.busy
            run = self.run(found, clients, busy, self.served.model_copy(update={"instances": 1}))
            spent = (first, replace(busy, instances=busy.instances - run.changes * change))
            loads = (one, run)
        slower = self.costs.contention if self.site.cores > 1 else 1.0
        counts = tuple(fit._counts(*pair, factor) for pair in zip(spent, loads, strict=True))
        solved = _solved(corrected, spent, counts, 1.0 if loads[1] is not many else slower)
        if loads[1] is not many and self.site.cores == 1:
            own, over = fit._counts(full_spent, many, factor), solved.overhead
            work = own.work_ms * solved.factor / corrected.factor
            explained = over.batch_ms * own.batches + over.share_ms + work
            update = {"contention": max(1.0, 1 + (full_spent.instances - explained) / work)}
            solved = solved.model_copy(update=update)
        solved = solved.model_copy(
            update={
                "switch_ms": switch,
                "change_ms": change,
                "cold_ms": _cold(first, further.gaps),
            }
        )
        solved = self._settled(solved, found.overhead, lone)
        return solved.model_copy(update={"spread": self._spread(solved, lone)})

    def _corrected(self, lone: Spent, rows: tuple[int, Spent] | None) -> Costs:
        """The runner's times with the factor by which a larger lone request differs from a small one."""
        if rows is None or self.costs.device != "cpu" or self.costs.step_ms is not None:
            return self.costs
        count, spent = rows
        own = (self.costs.begin(count) - self.costs.begin(1)) * self.costs.threads
        return (
            self.costs.scaled(max(0.1, (spent.instances - lone.instances) / own)) if own > 0 else self.costs
        )

    def _counts(self, spent: Spent, run: Simulated, factor: float) -> _Counts:
        """As the server counted, where it did, and else as simulated with times that were corrected by `factor`."""
        costs = self.costs
        if spent.batches is None or costs.step_ms is not None:
            return _Counts(run.batches, run.work_ms * costs.threads / factor, run.wakes)
        sizes = spent.sizes
        if not sizes:
            rows = 1 / spent.batches
            low = int(rows)
            sizes = {low: 1 - rows + low, low + 1: rows - low}
        work = sum(costs.begin(max(1, rows)) * count for rows, count in sizes.items()) / sum(sizes.values())
        return _Counts(spent.batches, work * spent.batches * costs.threads, run.wakes)

    def _settled(self, costs: Costs, before: Overhead, lone: Spent) -> Costs:
        """Lone requests take as long as they did: by a wait, or by work of the client that no request waits for."""
        if costs.device != "cpu":
            return costs
        overhead = costs.overhead.model_copy(update={"idle_ms": before.idle_ms})
        equal = costs.model_copy(update={"overhead": overhead, "spread": (1.0,)})
        missing = lone.mean_ms - usual_mean(self.run(equal, 1, lone).latencies_ms) + before.idle_ms
        client = overhead.wake_ms + overhead.client_ms
        share = 1.0 if missing >= 0 or not client else max(0.0, 1 + missing / client)
        update = {
            "idle_ms": max(0.0, missing),
            "wake_ms": overhead.wake_ms * share,
            "client_ms": overhead.client_ms * share,
        }
        return costs.model_copy(update={"overhead": overhead.model_copy(update=update)})

    def _spread(self, costs: Costs, lone: Spent) -> tuple[float, ...]:
        """How times of equal requests differ: quantiles of the lone requests beside those without any difference."""
        equal = costs.model_copy(update={"spread": (1.0,)})
        measured, simulated = _quantiles(lone.latencies_ms), _quantiles(self.run(equal, 1, lone).latencies_ms)
        if costs.step_ms is not None:
            ratios = measured / simulated
            return tuple(np.sort(ratios / ratios.mean()).tolist())
        further = measured - simulated
        base = costs.overhead.batch_ms + costs.overhead.share_ms + costs.begin(1)
        return tuple(np.maximum(0.0, 1 + np.sort(further - further.mean()) / base).tolist())


def _cold(lone: Spent, gaps: Mapping[float, float]) -> dict[float, float] | None:
    """Gap between two requests, without the time that one takes -> further milliseconds."""
    found, most = dict[float, float](), float("inf")
    for gap, mean_ms in sorted(gaps.items(), reverse=True):
        # A longer gap costs no less, and a machine that stalls makes requests slower, not faster.
        most = max(0.0, min(most, mean_ms - lone.mean_ms))
        if gap > mean_ms:
            found[gap - mean_ms] = most
    return found or None


def usual_mean(latencies_ms: NDArray[np.float64]) -> float:
    """Mean without the slowest and the fastest hundredth."""
    return float(_quantiles(latencies_ms).mean())


def _quantiles(latencies_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.quantile(latencies_ms, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)


def _distance(run: Simulated, spent: Spent) -> float:
    """How far a simulated window is from the measured one, in logarithms of median and 95th percentile."""
    shares = np.array([0.25, 0.5, 0.75, 0.95])
    ratios = np.quantile(run.latencies_ms, shares) / np.quantile(spent.latencies_ms, shares)
    batches = 1.0 if spent.batches is None else run.batches / spent.batches
    return float(np.abs(np.log(ratios)).sum() + abs(np.log(batches)))


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


def _solved(costs: Costs, spent: Sequence[Spent], counts: Sequence[_Counts], slower: float) -> Costs:
    """Costs that explain both windows; `slower` is the time of a batch in the second, over its time alone."""
    (lone, full), (one, many) = spent, counts
    factor, per_batch, per_request = 1.0, lone.instances / one.batches, 0.0
    busy = full.instances / slower
    if costs.device == "cpu":
        # A runner in this process takes the time that it takes in an instance.
        system = np.array([[one.batches, 1.0], [many.batches, 1.0]])
        left = [lone.instances - one.work_ms, busy - many.work_ms]
        distinct = costs.step_ms is None and one.batches - many.batches > 0.1
        if distinct:
            per_batch, per_request = np.linalg.solve(system, left).tolist()
        if not distinct or per_batch < 0 or per_request < 0:
            system = np.array([[one.batches, one.work_ms], [many.batches, many.work_ms]])
            per_batch, factor = np.linalg.solve(system, [lone.instances, busy]).tolist()
            per_request = 0.0
        if per_batch < 0 or factor <= 0:
            per_batch, factor = 0.0, busy / many.work_ms
    request, server_batch = _split(lone.server, full.server / slower, one.batches, many.batches)
    client, wake = _split(lone.client, full.client / slower, one.wakes, many.wakes)
    overhead = Overhead(
        batch_ms=per_batch,
        pass_ms=server_batch,
        share_ms=per_request,
        request_ms=request,
        wake_ms=wake,
        client_ms=client,
    )
    return costs.scaled(factor).model_copy(update={"overhead": overhead})


def _split(lone: float, full: float, first: float, second: float) -> tuple[float, float]:
    """A cost for each request and one for each event, from the costs of a request with so many events each."""
    each = (lone - full) / (first - second) if first > second else 0.0
    each = min(max(0.0, each), lone / max(first, 1e-9))
    return max(0.0, lone - each * first), each
