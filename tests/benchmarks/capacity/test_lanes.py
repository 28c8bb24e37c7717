"""Lanes in flight against the simulation by which `litho deploy` chooses a form of batching."""

import numpy as np
import pytest

from litho.benchmarks.capacity.costs import Costs
from litho.benchmarks.capacity.shape import Kind, Served, Site, Traffic
from litho.benchmarks.capacity.simulation import Model, simulate
from litho.serving.in_flight.batching import simulate as simulated_to_deploy
from litho.serving.in_flight.step_costs import StepCosts

STEPS = {1: 2.7, 8: 12.7, 16: 23.2}
COSTS = Costs(batch_ms={1: 0.0}, step_ms=STEPS, decode_ms={1: 0.0}, slice_ms=100.0)


@pytest.mark.parametrize("lanes", [1, 2])
def test_lanes_are_as_fast_as_the_other_simulation_says(lanes: int) -> None:
    rate, count = 30.0 * lanes, 3000
    served = Served(batching="in-flight", instances=lanes, largest=16)
    traffic = Traffic(rate=rate, kinds=tuple(Kind(steps=steps) for steps in (4, 8, 16, 32)))
    ours = simulate(Model(COSTS, served, Site(cores=4)), traffic, requests=count)
    generator = np.random.default_rng(0)
    arrivals = np.cumsum(generator.exponential(1e3 / rate, count))
    steps = generator.choice((4, 8, 16, 32), count)
    theirs = simulated_to_deploy("in-flight", StepCosts(STEPS), arrivals, steps, lanes=lanes, cap=16)
    assert ours.quantile(0.5) == pytest.approx(np.quantile(theirs, 0.5), rel=0.1)
    assert ours.quantile(0.95) == pytest.approx(np.quantile(theirs, 0.95), rel=0.15)


def test_a_full_engine_steps_as_many_rows_as_it_may_have() -> None:
    served = Served(batching="in-flight", instances=1, largest=8)
    found = simulate(
        Model(COSTS, served, Site(cores=1)), Traffic(clients=32, kinds=(Kind(steps=10),)), requests=800
    )
    assert found.mean_batch == pytest.approx(8, rel=0.05)
    assert found.requests_per_second == pytest.approx(8 / (10 * 12.7) * 1e3, rel=0.05)


def test_a_request_of_several_pictures_ends_with_its_last() -> None:
    served = Served(batching="in-flight", instances=1, largest=2)
    found = simulate(
        Model(COSTS, served, Site(cores=1)), Traffic(clients=1, kinds=(Kind(rows=4, steps=3),)), requests=20
    )
    two = 2.7 + (12.7 - 2.7) / 7
    assert found.latencies_ms == pytest.approx(np.full(18, 2 * 3 * two))
