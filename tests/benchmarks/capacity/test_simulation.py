"""The simulation against queueing theory (Kleinrock, Queueing Systems, volumes 1 and 2)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import optimize, stats

from litho.benchmarks.capacity.costs import Costs, Overhead
from litho.benchmarks.capacity.shape import Kind, Served, Site, Traffic
from litho.benchmarks.capacity.simulation import Model, Window, simulate

REQUESTS = 12_000
QUANTILES = (np.arange(1000) + 0.5) / 1000
EXPONENTIAL = tuple((-np.log1p(-QUANTILES) / np.mean(-np.log1p(-QUANTILES))).tolist())


def single(spread: tuple[float, ...] = (1.0,), instances: int = 1, slice_ms: float = 1e3) -> Model:
    """Requests of 1 ms each, one at a time on each instance, with a core for each."""
    costs = Costs(batch_ms={1: 1.0}, spread=spread, slice_ms=slice_ms)
    return Model(costs, Served(instances=instances, largest=1), Site(cores=instances))


@pytest.mark.parametrize("load", [0.3, 0.7])
@pytest.mark.parametrize("spread", [(1.0,), EXPONENTIAL, (0.5, 1.5)])
def test_one_server_has_the_mean_latency_of_pollaczek_and_khinchin(
    load: float, spread: tuple[float, ...]
) -> None:
    found = simulate(single(spread), Traffic(rate=1e3 * load), requests=REQUESTS)
    second = float(np.mean(np.square(spread)))
    assert found.latencies_ms.mean() == pytest.approx(1 + load * second / (2 * (1 - load)), rel=0.1)
    assert found.utilisation == pytest.approx(load, rel=0.03)


def test_latencies_of_m_m_1_are_exponential() -> None:
    found = simulate(single(EXPONENTIAL), Traffic(rate=600), requests=REQUESTS)
    expected = stats.expon(scale=1 / (1 - 0.6))
    for share in (0.5, 0.9, 0.95):
        assert found.quantile(share) == pytest.approx(expected.ppf(share), rel=0.1)


@pytest.mark.parametrize(("servers", "load"), [(2, 0.6), (4, 0.8)])
def test_several_servers_have_the_wait_of_erlang(servers: int, load: float) -> None:
    found = simulate(single(EXPONENTIAL, servers), Traffic(rate=1e3 * load * servers), requests=REQUESTS)
    offered = load * servers
    blocked = offered**servers / math.factorial(servers) / (1 - load)
    waits = blocked / (sum(offered**count / math.factorial(count) for count in range(servers)) + blocked)
    assert found.latencies_ms.mean() == pytest.approx(1 + waits / (servers * (1 - load)), rel=0.1)


def test_a_shared_core_does_not_care_how_work_varies() -> None:
    # Processor sharing: mean latency work / (1 - load), for every distribution of the work.
    for spread in ((1.0,), EXPONENTIAL):
        costs = Costs(batch_ms={1: 1.0}, spread=spread, slice_ms=0.05)
        shared = Model(costs, Served(instances=64, largest=1), Site(cores=1))
        found = simulate(shared, Traffic(rate=600), requests=6_000)
        assert found.latencies_ms.mean() == pytest.approx(1 / (1 - 0.6), rel=0.1)


@settings(max_examples=12, deadline=None)
@given(
    clients=st.integers(1, 40),
    instances=st.integers(1, 3),
    largest=st.sampled_from([1, 4, 16]),
    delay=st.sampled_from([0.0, 2.0]),
    overhead=st.sampled_from([0.0, 0.2]),
)
def test_in_a_closed_loop_clients_are_throughput_times_latency(
    clients: int, instances: int, largest: int, delay: float, overhead: float
) -> None:
    times = Overhead(
        batch_ms=overhead, request_ms=overhead, wake_ms=overhead, client_ms=overhead, idle_ms=overhead
    )
    costs = Costs(batch_ms={1: 1.0, 16: 6.0}, overhead=times, contention=1.2)
    model = Model(
        costs, Served(instances=instances, largest=largest, delay_ms=delay), Site(cores=2, clients_here=True)
    )
    found = simulate(model, Traffic(clients=clients), requests=600)
    assert found.requests_per_second * found.latencies_ms.mean() / 1e3 == pytest.approx(clients, rel=0.12)
    assert 0 < found.utilisation <= 1 + 1e-9
    assert 1 <= found.mean_batch <= largest


def test_full_batches_bound_the_throughput() -> None:
    model = Model(
        Costs(batch_ms={1: 1.0, 8: 4.0}, slice_ms=100), Served(instances=2, largest=8), Site(cores=2)
    )
    found = simulate(model, Traffic(clients=64), requests=4000)
    assert found.requests_per_second == pytest.approx(2 * 8 / 4.0 * 1e3, rel=0.02)
    assert simulate(model, Traffic(rate=6000), requests=4000).growing
    assert simulate(model, Traffic(rate=6000), requests=4000).quantile(0.95) == math.inf


def test_instances_on_one_gpu_share_it() -> None:
    costs = Costs(device="cuda", batch_ms={1: 1.0, 8: 2.0})
    found = [
        simulate(
            Model(costs, Served(instances=2, largest=8), Site(cores=8, devices=count)),
            Traffic(clients=64),
            requests=3000,
        )
        for count in (1, 2)
    ]
    assert [one.requests_per_second for one in found] == pytest.approx([4000, 8000], rel=0.05)
    assert found[0].device_utilisation == pytest.approx(1, rel=0.05)


def test_measured_arrivals_are_followed_and_only_their_window_counts() -> None:
    window = Window(np.array([0.0, 10.0, 20.0, 30.0]), 10.5, 25.0)
    found = simulate(single(), Traffic(rate=100), window=window)
    assert found.latencies_ms == pytest.approx([1.0, 1.0])


def test_a_seed_decides_everything() -> None:
    traffic = Traffic(rate=700, kinds=(Kind(), Kind(rows=1, weight=2)))
    one, same, other = (simulate(single(EXPONENTIAL), traffic, requests=500, seed=seed) for seed in (1, 1, 2))
    assert (one.latencies_ms == same.latencies_ms).all()
    assert (one.latencies_ms != other.latencies_ms).any()


def test_a_batch_of_another_size_and_one_after_a_pause_take_longer() -> None:
    costs = Costs(batch_ms={1: 1.0, 2: 1.5}, change_ms=0.5, cold_ms={10.0: 2.0}, slice_ms=100)
    model = Model(costs, Served(instances=1, largest=2), Site(cores=1))
    window = Window(np.array([20.0, 20.5, 20.5, 60.0]), 0.0, 100.0)
    found = simulate(model, Traffic(rate=100), window=window).latencies_ms
    # The first one is alone, and the next two share a batch that follows it at once.
    assert found == pytest.approx([2 + 1.0, 2.5 + 0.5 + 1.5, 2.5 + 0.5 + 1.5, 0.5 + 2 + 1.0], abs=1e-3)
    mixed = (Kind(rows=1), Kind(rows=2))
    found = simulate(model, Traffic(clients=1, kinds=mixed), requests=2000)
    assert found.changes == pytest.approx(0.5, abs=0.05)


def test_instances_that_share_one_core_slow_each_other_down() -> None:
    costs = Costs(batch_ms={1: 1.0}, contention=1.5, slice_ms=0.05)
    alone, both = (
        simulate(
            Model(costs, Served(instances=2, largest=1), Site(cores=1)),
            Traffic(clients=clients),
            requests=2000,
        )
        for clients in (1, 4)
    )
    assert alone.requests_per_second == pytest.approx(1000, rel=0.02)
    assert both.requests_per_second == pytest.approx(1000 / 1.5, rel=0.02)


def test_a_load_generator_beside_the_server_takes_no_core_of_it() -> None:
    costs = Costs(batch_ms={1: 1.0}, overhead=Overhead(wake_ms=0.5))
    beside, here = (
        simulate(Model(costs, Served(instances=1, largest=1), site), Traffic(clients=4), requests=2000)
        for site in (Site(cores=1, client_cores=1), Site(cores=1, clients_here=True))
    )
    assert beside.requests_per_second == pytest.approx(1000, rel=0.02)
    assert here.requests_per_second < 0.9 * beside.requests_per_second


def test_requests_that_come_one_by_one_cost_the_server_more_than_those_that_come_together() -> None:
    overhead = Overhead(pass_ms=0.1, request_ms=0.1, client_ms=0.2)
    model = Model(
        Costs(batch_ms={1: 1.0, 64: 4.0}, overhead=overhead),
        Served(instances=1),
        Site(cores=1, client_cores=1),
    )
    lone, together, apart = (
        simulate(model, traffic, requests=3000)
        for traffic in (Traffic(clients=1), Traffic(clients=16), Traffic(rate=400))
    )
    assert lone.passes == pytest.approx(1.0, abs=0.01)
    assert together.passes < 0.5
    assert apart.passes > 0.8


def test_the_last_work_for_a_batch_keeps_the_core_busy_and_no_request_waiting() -> None:
    overhead = Overhead(batch_ms=0.5, pass_ms=0.2)
    model = Model(Costs(batch_ms={1: 1.0}, overhead=overhead), Served(instances=1), Site(cores=1))
    found = simulate(model, Traffic(rate=20), requests=400)
    assert found.utilisation == pytest.approx(20 * 1.7e-3, rel=0.15)
    assert 1.4 < found.quantile(0.5) < 1.65


def test_two_instances_split_what_a_closed_loop_sends_in_other_parts_again_and_again() -> None:
    # As a record of Triton's threads shows: neither one large batch and one request, nor two equal halves for good.
    overhead = Overhead(batch_ms=0.2, pass_ms=0.2, share_ms=0.04, request_ms=0.1)
    costs = Costs(batch_ms={1: 1.4, 64: 63.0}, overhead=overhead, jitter=0.03)
    model = Model(costs, Served(), Site(cores=1, client_cores=1))
    found = simulate(model, Traffic(clients=16), requests=6000)
    assert 2 < found.mean_batch < 6
    assert found.quantile(0.95) > 1.5 * found.quantile(0.5)


@pytest.mark.parametrize(("largest", "load"), [(2, 0.5), (4, 0.7)])
def test_a_server_of_batches_has_the_wait_of_a_bulk_queue(largest: int, load: float) -> None:
    # M/M[1,b]/1 (Bailey 1954): a batch of any size takes an exponential time of mean 1, and starts with who waits.
    costs = Costs(batch_ms={1: 1.0, largest: 1.0}, spread=EXPONENTIAL, slice_ms=1e3)
    rate = load * largest
    found = simulate(
        Model(costs, Served(instances=1, largest=largest), Site(cores=1)),
        Traffic(rate=1e3 * rate),
        requests=2 * REQUESTS,
    )
    # Balance of n requests that wait while a batch is served: (rate + 1) p(n) = rate p(n - 1) + p(n + b).
    root = optimize.brentq(lambda r: r ** (largest + 1) - (rate + 1) * r + rate, 1e-6, 1 - 1e-6)
    busy = 1 / (1 / rate + 1 / (1 - root))
    assert found.latencies_ms.mean() == pytest.approx(1 + busy * root / (1 - root) ** 2 / rate, rel=0.07)


def test_a_batch_after_a_pause_is_cold_by_the_time_that_its_core_was_idle() -> None:
    costs = Costs(batch_ms={1: 1.0}, cold_ms={10.0: 2.0}, slice_ms=100)
    taken = []
    for instances in (1, 2):
        model = Model(costs, Served(instances=instances), Site(cores=1))
        window = Window(np.array([100.0, 110.0, 120.0, 130.0]), 125.0, 200.0)
        taken += simulate(model, Traffic(rate=100), window=window).latencies_ms.tolist()
    # Two instances take turns: each has had two pauses since its last batch. Longer ones than measured cost no more.
    assert taken[0] == pytest.approx(1 + 0.2 * (10 - 1 - 0.2 * 7.5), abs=0.1)
    assert taken[1] == pytest.approx(1 + 2, abs=1e-3)
