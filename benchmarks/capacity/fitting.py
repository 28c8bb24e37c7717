"""Finds the costs of a served request beside those of the runner.

Windows of a closed loop tell them: one request at a time, and enough of them to keep all cores busy. The
processor time of server, instances and load generator in both gives the costs of a batch and of a request. Of a
sampler, that of the instances also corrects the runner's times by one factor. Where a model with one instance and one
with several were measured, their lone requests tell what it costs a core to change between instances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .costs import Costs, Overhead
from .shape import Kind, Served, Site, Traffic
from .simulation import Model, Simulated, simulate
from .spent import NOTHING, Further, Spent, quantiles, usual_mean

__all__ = ["fitted"]

_DISTINCT = 0.1
"""Batches for each request by which two windows must differ to tell a batch from a request."""

_REQUESTS = 1500
"""Requests of a simulation for a fit that does not follow measured windows."""

_ROUNDS = 3
"""Simulations that find how many batches and wakes the costs lead to, which give better costs."""


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

    def run(self, costs: Costs, clients: int, spent: Spent, *, alone: bool = False) -> Simulated:
        """A closed loop, as it was measured; of the same with one instance if `alone`."""
        served = self.served.model_copy(update={"instances": 1}) if alone else self.served
        model = Model(costs, served, self.site)
        traffic = Traffic(clients=clients, kinds=self.kinds)
        if not spent.windows:
            return simulate(model, traffic, requests=_REQUESTS)
        runs = [
            simulate(model, traffic, window=window, seed=number)
            for number, window in enumerate(spent.windows)
        ]
        if not any(len(run.latencies_ms) for run in runs):
            # The costs are so far from the truth that no window has an answer.
            return simulate(model, traffic, requests=_REQUESTS)
        names = ("batches", "work_ms", "changes", "wakes", "passes", "switches", "switched_ms")
        return replace(
            runs[0],
            latencies_ms=np.concatenate([run.latencies_ms for run in runs]),
            **{name: float(np.mean([getattr(run, name) for run in runs])) for name in names},
        )

    def better(self, found: Costs, lone: Spent, full: tuple[int, Spent], further: Further) -> Costs:
        """Costs that explain the windows, with the batches, wakes and switches that the last ones led to."""
        followed = (lone, full[1])
        if self.costs.step_ms is not None:
            # A window of a sampler has few requests, and those in flight at its end have cost something, too.
            followed = (replace(lone, windows=()), replace(full[1], windows=()))
        alone, many = self.run(found, 1, followed[0]), self.run(found, full[0], followed[1])
        first, one = lone, alone
        switch, single = 0.0, further.single
        if single is not None and self.costs.device == "cpu":
            first, one = single, self.run(found, 1, single, alone=True)
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
        taken = many.switched_ms + many.changes * change
        full_spent = replace(full[1], instances=full[1].instances - taken)
        spent, loads = (first, full_spent), (one, many)
        if further.busy is not None and single is not None:
            # With one instance nothing is switched: what the costs do not explain of several is that.
            clients, busy = further.busy
            run = self.run(found, clients, busy, alone=True)
            spent = (first, replace(busy, instances=busy.instances - run.changes * change))
            loads = (one, run)
        slower = self.costs.contention if self.site.cores > 1 else 1.0
        counts = [
            fit._counts(*pair, factor, alone=not number)
            for number, pair in enumerate(zip(spent, loads, strict=True))
        ]
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
        solved = self.settled(solved, found.overhead.idle_ms, lone)
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

    def _counts(self, spent: Spent, run: Simulated, factor: float, *, alone: bool = False) -> _Counts:
        """As the server counted, where it did, and else as simulated with times that were corrected by `factor`."""
        costs = self.costs
        if spent.batches is None or costs.step_ms is not None:
            usual = sum(kind.steps * kind.weight for kind in self.kinds) / sum(
                kind.weight for kind in self.kinds
            )
            # The requests of a short window may have had more or fewer steps than others.
            share = 1.0 if spent.steps is None else spent.steps / usual
            if alone and costs.step_ms is not None:
                work = costs.begin(1) + usual * share * costs.step(1) + costs.decode(1)
                return _Counts(run.batches, work * costs.threads, run.wakes, run.passes)
            return _Counts(run.batches, run.work_ms * share * costs.threads / factor, run.wakes, run.passes)
        sizes = spent.sizes
        if not sizes:
            rows = 1 / spent.batches
            low = int(rows)
            sizes = {low: 1 - rows + low, low + 1: rows - low}
        work = sum(costs.begin(max(1, rows)) * count for rows, count in sizes.items()) / sum(sizes.values())
        return _Counts(spent.batches, work * spent.batches * costs.threads, run.wakes, run.passes)

    def settled(self, costs: Costs, idle_ms: float, lone: Spent) -> Costs:
        """Lone requests take as long as they did: what no processor explains is a wait.

        Args:
            costs: that the windows led to.
            idle_ms: the wait as known so far.
            lone: requests.
        """
        if costs.device != "cpu":
            return costs
        overhead = costs.overhead.model_copy(update={"idle_ms": idle_ms})
        equal = costs.model_copy(update={"overhead": overhead, "spread": (1.0,)})
        missing = lone.mean_ms - usual_mean(self.run(equal, 1, lone).latencies_ms)
        update = {"idle_ms": max(0.0, idle_ms + missing)}
        return costs.model_copy(update={"overhead": overhead.model_copy(update=update)})

    def _spread(self, costs: Costs, lone: Spent) -> tuple[float, ...]:
        """How times of equal requests differ: quantiles of the lone requests beside those without any difference."""
        equal = costs.model_copy(update={"spread": (1.0,)})
        measured, simulated = quantiles(lone.latencies_ms), quantiles(self.run(equal, 1, lone).latencies_ms)
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


@dataclass(frozen=True)
class _Counts:
    """What a request of a window stands for.

    Args:
        batches: for each request.
        work_ms: of the runner, by its own times, on all of its threads.
        wakes: of the load generator.
        passes: what the server did for batches.
    """

    batches: float
    work_ms: float
    wakes: float
    passes: float


def _solved(costs: Costs, spent: Sequence[Spent], counts: Sequence[_Counts], slower: float) -> Costs:
    """Costs that explain both windows.

    Args:
        costs: of the runner.
        spent, counts: of both.
        slower: time of a batch in the second, over its time alone.
    """
    (lone, full), (one, many) = spent, counts
    factor, per_batch, per_request = 1.0, lone.instances / one.batches, 0.0
    if costs.device == "cpu" and costs.step_ms is None:
        taken = (lone.instances, full.instances / slower)
        per_batch, per_request, factor = _of_instances(taken, (one, many))
    elif costs.device == "cpu":
        # A busy window of a sampler ends amid long batches: the lone requests say it all.
        per_batch = (lone.instances - one.work_ms) / one.batches
        if per_batch < 0:
            # A single row is cheaper in a server that makes nothing else; of many rows that says nothing.
            per_batch, costs = 0.0, costs.of_one_row(lone.instances / one.work_ms or 1.0)
    request, passed = lone.server, 0.0
    if costs.step_ms is None:
        request, passed = _split(lone.server, full.server / slower, one.passes, many.passes)
    client, wake = _split(lone.client, full.client / slower, one.wakes, many.wakes)
    overhead = Overhead(
        batch_ms=per_batch,
        pass_ms=passed,
        share_ms=per_request,
        request_ms=request,
        wake_ms=wake,
        client_ms=client,
    )
    return costs.scaled(factor).model_copy(update={"overhead": overhead})


def _of_instances(taken: tuple[float, float], counts: tuple[_Counts, _Counts]) -> tuple[float, float, float]:
    """Milliseconds of instances for a batch and a request, and the runner's factor, from those of two windows."""
    one, many = counts
    # A runner in this process takes the time that it takes in an instance, unless that explains too much.
    left = [taken[0] - one.work_ms, taken[1] - many.work_ms]
    if one.batches - many.batches > _DISTINCT:
        system = np.array([[one.batches, 1.0], [many.batches, 1.0]])
        per_batch, per_request = np.linalg.solve(system, left).tolist()
        if per_batch >= 0 and per_request >= 0:
            return per_batch, per_request, 1.0
    system = np.array([[one.batches, one.work_ms], [many.batches, many.work_ms]])
    per_batch, factor = np.linalg.lstsq(system, np.array(taken))[0].tolist()
    if per_batch < 0 or factor <= 0:
        # A window that is too short for the clock of a process shows no time at all.
        return 0.0, 0.0, taken[1] / many.work_ms or 1.0
    return per_batch, 0.0, factor


def _split(lone: float, full: float, first: float, second: float) -> tuple[float, float]:
    """A cost for each request and one for each event, from the costs of a request with so many events each."""
    each = (lone - full) / (first - second) if first > second else 0.0
    each = min(max(0.0, each), lone / max(first, 1e-9))
    return max(0.0, lone - each * first), each
