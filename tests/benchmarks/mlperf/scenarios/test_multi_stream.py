from litho.benchmarks.mlperf.scenarios import Wanted
from litho.benchmarks.mlperf.scenarios.multi_stream import Scenario


def test_a_query_has_eight_samples_and_enough_queries_for_a_p99(simulated) -> None:
    driver = simulated(100)
    Scenario().measure(driver, Wanted(seconds=2, bound_ms=15))
    (asked,) = driver.asked
    assert asked["multi_stream_samples_per_query"] == 8
    assert asked["min_query_count"] == 662
