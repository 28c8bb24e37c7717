from litho.benchmarks.mlperf.scenarios import Wanted
from litho.benchmarks.mlperf.scenarios.single_stream import LEAST_QUERIES, Scenario


def test_one_run_decides_by_its_p90(simulated) -> None:
    driver = simulated(100)
    trials = Scenario().measure(driver, Wanted(seconds=2, bound_ms=15))
    assert driver.asked == [{"min_duration_ms": 2000, "min_query_count": LEAST_QUERIES}]
    assert Scenario().value(trials.final) == 1.0
