import pytest

from litho.benchmarks.mlperf.scenarios import Wanted
from litho.benchmarks.mlperf.scenarios.server import GAP, LEAST_QUERIES, LOWER, Scenario


@pytest.mark.parametrize("capacity", [7.0, 20.0, 937.0, 40_000.0])
@pytest.mark.parametrize("first", [None, 100.0, 800.0])
def test_the_search_ends_close_below_the_capacity(simulated, capacity: float, first: float | None) -> None:
    driver = simulated(capacity)
    trials = Scenario().measure(driver, Wanted(seconds=60, bound_ms=15, rate=first))
    assert trials.final.summary.valid
    rate = trials.settings["server_target_qps"]
    assert capacity / GAP <= rate <= capacity * 1.001
    assert trials.settings == driver.asked[-1]
    assert trials.settings["min_duration_ms"] == 60_000
    assert trials.settings["min_query_count"] == LEAST_QUERIES
    assert trials.settings["server_target_latency_ns"] == 15_000_000
    assert all(one["min_duration_ms"] == 10_000 for one in driver.asked[:-1])
    assert len(trials.list) == len(driver.asked) - 1


def test_a_rate_that_the_long_run_does_not_hold_is_lowered(simulated) -> None:
    quiet = Scenario().measure(simulated(900), Wanted(60, 15, 900)).settings["server_target_qps"]
    searched = len(Scenario().measure(simulated(900), Wanted(60, 15, 900)).list)
    driver = simulated(900, noise=(*[1.0] * searched, 0.8, 0.8, 1.0))
    trials = Scenario().measure(driver, Wanted(60, 15, 900))
    assert trials.settings["server_target_qps"] == pytest.approx(quiet * LOWER**2)
    assert [one.held for one in trials.list[-2:]] == [False, False]
    assert "Performance constraints" in trials.list[-1].reason


def test_where_no_rate_holds_the_last_run_is_not_valid(simulated) -> None:
    trials = Scenario().measure(simulated(1e-6), Wanted(60, 15, 1.0))
    assert not trials.final.summary.valid
    assert not any(one.held for one in trials.list)
    assert len(trials.list) < 8
