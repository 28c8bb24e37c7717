import numpy as np
import pytest

from litho.benchmarks.capacity.costs import Costs
from litho.benchmarks.capacity.prediction import predicted
from litho.benchmarks.capacity.shape import Served, Site, Traffic
from litho.benchmarks.capacity.simulation import Model, Window


def test_a_prediction_follows_the_arrivals_that_were_measured() -> None:
    model = Model(Costs(batch_ms={1: 2.0}, slice_ms=100), Served(instances=1, largest=1), Site(cores=1))
    windows = (Window(np.array([0.0, 1.0, 50.0]), 0.0, 100.0), Window(np.array([0.0]), 0.0, 100.0))
    found = predicted(model, Traffic(rate=20), windows)
    assert found.requests_per_second == pytest.approx((30 + 10) / 2)
    assert found.mean_ms == pytest.approx(((2 + 3 + 2) / 3 + 2) / 2)


def test_a_closed_loop_is_followed_as_long_as_it_was_measured() -> None:
    model = Model(Costs(batch_ms={1: 2.0}, slice_ms=100), Served(instances=1, largest=1), Site(cores=1))
    found = predicted(model, Traffic(clients=1), (Window(None, 1.0, 101.0),))
    assert found.requests_per_second == pytest.approx(500, rel=0.03)


def test_warm_up_and_window_of_a_closed_loop_last_until_as_many_have_ended_as_are_in_flight() -> None:
    model = Model(Costs(batch_ms={1: 200.0}), Served(instances=1, largest=1), Site(cores=1))
    found = predicted(model, Traffic(clients=2), (Window(None, 1.0, 101.0),))
    assert found.requests_per_second == pytest.approx(5)
    assert found.p50_ms == pytest.approx(400)  # the first answer, after 200 ms, is of the warm-up


def test_windows_without_an_answer_are_replaced_by_a_long_one() -> None:
    model = Model(Costs(batch_ms={1: 200.0}), Served(instances=1, largest=1), Site(cores=1))
    windows = (Window(np.array([10.0]), 500.0, 600.0),)
    found = predicted(model, Traffic(rate=2.0), windows)
    assert found.requests_per_second == pytest.approx(2, rel=0.1)


def test_without_a_measurement_arrivals_are_drawn() -> None:
    model = Model(Costs(batch_ms={1: 2.0}), Served(instances=1, largest=1), Site(cores=1))
    assert predicted(model, Traffic(clients=2)).requests_per_second == pytest.approx(500, rel=0.02)
