"""Costs that are known are found again from the windows that they lead to."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from litho.benchmarks.capacity.costs import Costs, Overhead
from litho.benchmarks.capacity.fitting import Spent, fitted, measure_runner, spent_in
from litho.benchmarks.capacity.shape import Kind, Served, Site, Traffic
from litho.benchmarks.capacity.simulation import Model, simulate
from litho.benchmarks.load.documents.measurement import Measurement
from litho.bundle import Bundle
from litho.errors import LithoError

SITE = Site(cores=2, clients_here=True)
RUNNER = Costs(batch_ms={1: 1.0, 64: 40.0}, contention=1.1)
OVERHEAD = Overhead(batch_ms=0.5, request_ms=0.1, wake_ms=0.08, client_ms=0.02, idle_ms=0.1)


def window_of(costs: Costs, served: Served, clients: int, kinds: tuple[Kind, ...]) -> Spent:
    """What a window with known costs would have shown; a fifth of the cost of a batch is the server's."""
    run = simulate(Model(costs, served, SITE), Traffic(clients=clients, kinds=kinds), requests=3000)
    slower = costs.contention if clients > 1 else 1.0
    over = costs.overhead
    return Spent(
        client=(over.client_ms + over.wake_ms * run.wakes) * slower,
        server=(over.request_ms + 0.2 * over.batch_ms * run.batches) * slower,
        instances=(0.8 * over.batch_ms * run.batches + run.work_ms * costs.threads) * slower,
        batches=run.batches,
        mean_ms=float(run.latencies_ms.mean()),
        latencies_ms=run.latencies_ms,
    )


def test_costs_of_batches_requests_and_wakes_are_found_again() -> None:
    true = RUNNER.scaled(1.3).model_copy(update={"overhead": OVERHEAD, "patience": 0.2})
    windows = {clients: window_of(true, Served(), clients, (Kind(),)) for clients in (1, 32)}
    found = fitted(RUNNER, Served(), SITE, windows)
    assert found.factor == pytest.approx(1.3, rel=0.05)
    for name in ("batch_ms", "request_ms", "idle_ms"):
        assert getattr(found.overhead, name) == pytest.approx(getattr(OVERHEAD, name), rel=0.2), name
    for clients in (4, 16):
        once, again = (
            simulate(Model(one, Served(), SITE), Traffic(clients=clients), requests=4000)
            for one in (true, found)
        )
        assert again.requests_per_second == pytest.approx(once.requests_per_second, rel=0.1)


def test_costs_of_steps_are_found_again() -> None:
    runner = Costs(batch_ms={1: 0.2}, step_ms={1: 2.0, 16: 20.0}, decode_ms={1: 0.5})
    served, kinds = Served(batching="in-flight", instances=2, largest=16), (Kind(steps=4), Kind(steps=16))
    true = runner.scaled(0.8).model_copy(update={"overhead": OVERHEAD})
    windows = {clients: window_of(true, served, clients, kinds) for clients in (1, 32)}
    found = fitted(runner, served, SITE, windows, kinds)
    assert found.factor == pytest.approx(0.8, rel=0.1)


def test_a_runner_is_timed_at_every_size(bundle: Path) -> None:
    found = measure_runner(Bundle.load(bundle), None, Served(largest=4), "cpu", 0.1)
    assert list(found.batch_ms) == [1, 2, 4]
    assert all(taken > 0 for taken in found.batch_ms.values())
    assert found.contention >= 1
    assert found.step_ms is None


def test_a_sampler_is_timed_by_its_stages(flow_bundle: Path) -> None:
    found = measure_runner(Bundle.load(flow_bundle), None, Served(instances=1, largest=2), "cpu", 0.1)
    assert found.step_ms is not None
    assert found.decode_ms is not None
    assert list(found.step_ms) == [1, 2]


def test_a_server_elsewhere_cannot_be_measured() -> None:
    with pytest.raises(LithoError, match="it must run on this machine"):
        spent_in(Measurement(1.0, 1, np.array([1.0]), Counter(), 0.1, None))


def test_requests_of_several_kinds_are_not_taken_for_a_spread() -> None:
    runner = Costs(batch_ms={1: 0.2}, step_ms={1: 2.0, 16: 20.0}, decode_ms={1: 0.5})
    runner = runner.model_copy(update={"threads": 2})
    served, kinds = Served(instances=1, threads=2), (Kind(steps=4), Kind(steps=32))
    true = runner.model_copy(update={"overhead": OVERHEAD})
    windows = {clients: window_of(true, served, clients, kinds) for clients in (1, 32)}
    found = fitted(runner, served, SITE, windows, kinds)
    assert np.median(found.spread) == pytest.approx(1.0, abs=0.05)
    assert found.factor == pytest.approx(1.0, rel=0.1)  # of processor time, which both threads use
    lone = simulate(Model(found, served, SITE), Traffic(clients=1, kinds=kinds), requests=2000)
    for share in (0.25, 0.75, 0.95):
        expected, again = (np.quantile(one.latencies_ms, share) for one in (windows[1], lone))
        assert again == pytest.approx(expected, rel=0.1), share
