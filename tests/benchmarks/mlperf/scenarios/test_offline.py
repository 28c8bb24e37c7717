from litho.benchmarks.mlperf.scenarios import Wanted
from litho.benchmarks.mlperf.scenarios.offline import MOST_RUNS, Scenario


def test_short_runs_measure_how_many_samples_the_long_one_needs(simulated) -> None:
    driver = simulated(1500.0)
    trials = Scenario().measure(driver, Wanted(seconds=60, bound_ms=15))
    assert trials.final.summary.valid
    assert Scenario().value(trials.final) == 1500
    assert [one["min_duration_ms"] for one in driver.asked] == [5000, 5000, 60_000]


def test_a_run_that_was_too_short_is_made_again_with_more_samples(simulated) -> None:
    driver = simulated(1500.0, noise=(0.3, 0.3))
    trials = Scenario().measure(driver, Wanted(seconds=60, bound_ms=15))
    assert trials.final.summary.valid
    assert driver.asked[-1]["offline_expected_qps"] >= 1500
    assert any("Min duration" in one.reason for one in trials.list)


def test_a_target_that_becomes_faster_and_faster_ends_the_search(simulated) -> None:
    driver = simulated(100.0, noise=tuple(10.0**power for power in range(20)))
    trials = Scenario().measure(driver, Wanted(seconds=60, bound_ms=15, rate=100))
    assert not trials.final.summary.valid
    assert len(driver.asked) == 1 + MOST_RUNS
