from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from litho.runners import open_runner
from litho.runners.rectified_flow import Runner
from litho.serving.in_flight.step_costs import TOLERANCE, StepCosts

SHAPES = StepCosts({1: 2.7, 2: 4.8, 4: 7.8, 8: 12.7, 16: 23.2, 24: 36.6, 32: 49.8, 64: 104.6})
"""Of the trained flow of shapes on two cores, as measured."""


def test_the_knee_is_where_a_row_begins_to_cost_more() -> None:
    assert SHAPES.knee() == 16
    assert StepCosts.model(3.0, 0.1, free_rows=32, largest=64).knee() == 64
    assert StepCosts.model(0.0, 1.0).knee() == 64
    assert StepCosts({4: 1.0}).knee() == 4


@given(st.dictionaries(st.integers(1, 64), st.floats(0.01, 1e3), min_size=1))
def test_no_row_is_much_cheaper_than_at_the_knee(found: dict[int, float]) -> None:
    costs = StepCosts(found)
    knee = costs.knee()
    cheapest = min(cost / size for size, cost in found.items())
    assert found[knee] / knee <= cheapest * (1 + TOLERANCE) + 1e-12
    assert costs.at(knee) == pytest.approx(found[knee])


def test_costs_between_and_beyond_what_was_measured() -> None:
    assert SHAPES.at(12) == pytest.approx((12.7 + 23.2) / 2)
    assert SHAPES.at(128) == pytest.approx(2 * 104.6)


@given(st.floats(0, 10), st.floats(0.01, 10))
def test_a_fit_finds_the_model_that_costs_were_made_by(fixed: float, row: float) -> None:
    assert StepCosts.model(fixed, row).fit() == pytest.approx((fixed, row), rel=1e-6, abs=1e-6)


def test_a_fit_is_never_negative() -> None:
    assert StepCosts({1: 3.0, 64: 3.0}).fit() == pytest.approx((3.0, 0.0), abs=1e-9)
    assert min(StepCosts({1: 5.0, 64: 4.0}).fit()) >= 0
    assert min(StepCosts({1: 1.0, 2: 4.0, 4: 20.0}).fit()) >= 0
    assert StepCosts({8: 16.0}).fit() == (0.0, 2.0)


@pytest.mark.parametrize("threads", [None, 1])
def test_a_machine_is_measured_within_its_budget(threads: int | None, flow_bundle: Path) -> None:
    with open_runner(flow_bundle, threads=threads) as runner:
        assert isinstance(runner, Runner)
        costs = StepCosts.measure(runner, 12, threads=threads, seconds=0.5)
        assert set(costs.milliseconds) <= {1, 2, 4, 8, 12}
        found = list(costs.milliseconds.values())
        assert found == sorted(found)
        assert found[0] > 0
        assert set(StepCosts.measure(runner, 64, seconds=0.0).milliseconds) == {1}
    assert str(StepCosts({1: 2.0, 2: 3.5})) == "1: 2.00 ms, 2: 3.50 ms"
