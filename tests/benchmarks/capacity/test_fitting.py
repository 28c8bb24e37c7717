"""Costs that are known are found again from the windows that they lead to."""

import numpy as np
import pytest

from litho.benchmarks.capacity.costs import Costs, Overhead
from litho.benchmarks.capacity.fitting import fitted
from litho.benchmarks.capacity.shape import Kind, Served, Site, Traffic
from litho.benchmarks.capacity.simulation import Model, simulate
from litho.benchmarks.capacity.spent import Further, Spent

SITE = Site(cores=2, clients_here=True)
ONE = Site(cores=1)
RUNNER = Costs(batch_ms={1: 1.0, 64: 40.0}, contention=1.1)
OVERHEAD = Overhead(
    batch_ms=0.4, pass_ms=0.1, share_ms=0.05, request_ms=0.1, wake_ms=0.08, client_ms=0.02, idle_ms=0.1
)


def window_of(costs: Costs, served: Served, clients: int, kinds: tuple[Kind, ...]) -> Spent:
    """What a window with known costs would have shown."""
    run = simulate(Model(costs, served, SITE), Traffic(clients=clients, kinds=kinds), requests=3000)
    slower = costs.contention if clients > 1 else 1.0
    over = costs.overhead
    return Spent(
        client=(over.client_ms + over.wake_ms * run.wakes) * slower,
        server=(over.request_ms + over.pass_ms * run.passes) * slower,
        instances=(over.batch_ms * run.batches + over.share_ms + run.work_ms * costs.threads) * slower,
        batches=run.batches,
        mean_ms=float(run.latencies_ms.mean()),
        latencies_ms=run.latencies_ms,
    )


def test_costs_of_batches_requests_and_wakes_are_found_again() -> None:
    # Where all batches take the same time, a closed loop falls into a cycle that the least difference changes.
    true = RUNNER.model_copy(update={"overhead": OVERHEAD, "jitter": 0.1})
    windows = {clients: window_of(true, Served(), clients, (Kind(),)) for clients in (1, 32)}
    found = fitted(RUNNER, Served(), SITE, windows)
    assert found.factor == 1
    for name in ("batch_ms", "pass_ms", "request_ms"):
        assert getattr(found.overhead, name) == pytest.approx(getattr(OVERHEAD, name), rel=0.2), name
    for clients in (1, 4, 16):
        once, again = (
            simulate(Model(one, Served(), SITE), Traffic(clients=clients), requests=4000)
            for one in (true, found)
        )
        assert again.requests_per_second == pytest.approx(once.requests_per_second, rel=0.1)


def test_costs_of_steps_are_found_again() -> None:
    runner = Costs(batch_ms={1: 0.2}, step_ms={1: 2.0, 16: 20.0}, decode_ms={1: 0.5})
    served, kinds = Served(batching="in-flight", instances=2, largest=16), (Kind(steps=4), Kind(steps=16))
    true = runner.model_copy(update={"overhead": OVERHEAD})
    windows = {clients: window_of(true, served, clients, kinds) for clients in (1, 32)}
    found = fitted(runner, served, SITE, windows, kinds)
    assert found.factor == pytest.approx(1, rel=0.1)
    assert found.overhead.batch_ms == pytest.approx(OVERHEAD.batch_ms, rel=0.2)


def on_one_core(costs: Costs, served: Served, traffic: Traffic) -> Spent:
    """What a window shows of a server with one core, whose time is all that requests cost."""
    run = simulate(Model(costs, served, ONE), traffic, requests=3000)
    server = costs.overhead.request_ms + costs.overhead.pass_ms * run.passes
    return Spent(
        client=0.0,
        server=server,
        instances=1e3 * run.utilisation / run.requests_per_second - server,
        batches=run.batches,
        mean_ms=float(run.latencies_ms.mean()),
        latencies_ms=run.latencies_ms,
    )


def test_what_instances_cost_each_other_on_one_core_is_found_again() -> None:
    overhead = Overhead(batch_ms=0.1, pass_ms=0.1, share_ms=0.05, request_ms=0.08)
    update = {"overhead": overhead, "switch_ms": 0.25, "contention": 1.4}
    true = Costs(batch_ms={1: 0.5, 64: 16.0}).scaled(1.2).model_copy(update=update)
    two, one = Served(), Served(instances=1)
    windows = {clients: on_one_core(true, two, Traffic(clients=clients)) for clients in (1, 32)}
    further = Further(
        single=on_one_core(true, one, Traffic(clients=1)),
        rows=(32, on_one_core(true, one, Traffic(clients=1, kinds=(Kind(rows=32),)))),
        busy=(24, on_one_core(true, one, Traffic(clients=24))),
        gaps={4.0: 1.4, 25.0: 1.9},
    )
    found = fitted(Costs(batch_ms={1: 0.5, 64: 16.0}), two, ONE, windows, further=further)
    assert found.factor == pytest.approx(1.2, rel=0.02)
    assert found.switch_ms == pytest.approx(0.25, rel=0.05)
    assert found.contention == pytest.approx(1.4, rel=0.15)
    assert found.cold_ms is not None
    assert list(found.cold_ms.values()) == sorted(found.cold_ms.values(), reverse=True)


def test_a_runner_that_takes_longer_here_than_in_the_server_gets_a_factor() -> None:
    true = Costs(batch_ms={1: 0.5, 64: 16.0}).model_copy(update={"overhead": Overhead(batch_ms=0.1)})
    windows = {
        clients: on_one_core(true, Served(instances=1), Traffic(clients=clients)) for clients in (1, 32)
    }
    found = fitted(Costs(batch_ms={1: 1.0, 64: 32.0}), Served(instances=1), ONE, windows)
    assert found.factor == pytest.approx(0.5, rel=0.1)


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


def test_the_time_of_a_client_on_its_own_core_is_not_taken_for_work_after_the_answers() -> None:
    # The server's core works on after an answer while the client is busy: lone requests take less than all work.
    overhead = Overhead(batch_ms=0.1, pass_ms=0.3, share_ms=0.04, request_ms=0.1, client_ms=0.1)
    site = Site(cores=1, client_cores=1)
    true = Costs(batch_ms={1: 1.5, 64: 64.0}, overhead=overhead, jitter=0.2)

    def window(clients: int) -> Spent:
        run = simulate(Model(true, Served(), site), Traffic(clients=clients), requests=3000)
        server = overhead.request_ms + overhead.pass_ms * run.passes
        return Spent(
            client=overhead.client_ms,
            server=server,
            instances=1e3 * run.utilisation / run.requests_per_second - server,
            batches=run.batches,
            mean_ms=float(run.latencies_ms.mean()),
            latencies_ms=run.latencies_ms,
        )

    runner = Costs(batch_ms=true.batch_ms)
    found = fitted(runner, Served(), site, {clients: window(clients) for clients in (1, 32)})
    assert found.overhead.client_ms + found.overhead.wake_ms == pytest.approx(0.1, rel=0.1)
    for clients in (4, 8, 16):
        once, again = (
            simulate(Model(one, Served(), site), Traffic(clients=clients), requests=4000)
            for one in (true, found)
        )
        assert again.requests_per_second == pytest.approx(once.requests_per_second, rel=0.1)
