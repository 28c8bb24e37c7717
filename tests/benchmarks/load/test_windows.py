from collections import Counter
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.benchmarks.load.windows import Latency, Load, Measurement, Point, ServerTimes, percentile
from litho.runners.triton import ServerStatistics

milliseconds = st.lists(st.floats(0.01, 1e5), min_size=1, max_size=300).map(np.array)
counts = st.integers(0, 10**12)
statistics = st.builds(
    ServerStatistics,
    requests=st.integers(1, 10**6),
    inferences=counts,
    executions=st.integers(1, 10**6),
    queue_ns=counts,
    compute_input_ns=counts,
    compute_infer_ns=counts,
    compute_output_ns=counts,
    failures=counts,
    batch_sizes=st.dictionaries(st.integers(1, 64), st.integers(1, 1000)),
)


def measurement(latencies=(1.0,), seconds=1.0, batch=1, errors=(), server=None, cpu=0.1):
    return Measurement(
        seconds=seconds,
        batch=batch,
        latencies_ms=np.array(latencies, float),
        errors=Counter(errors),
        client_cpu_seconds=cpu,
        server=server,
    )


measurements = st.lists(
    st.builds(measurement, latencies=milliseconds, seconds=st.floats(0.1, 100), batch=st.just(2)),
    min_size=1,
    max_size=5,
)


@given(milliseconds, st.sampled_from([50, 90, 99, 100]))
def test_percentile_is_the_smallest_value_that_enough_do_not_exceed(values, percent):
    found = percentile(values, percent)
    assert found in values
    assert 100 * np.count_nonzero(values <= found) >= percent * len(values)
    assert 100 * np.count_nonzero(values < found) < percent * len(values)


@given(milliseconds)
def test_percentiles_of_latency_are_in_order(values):
    latency = Latency.of(values)
    assert (
        values.min() <= latency.p50_ms <= latency.p90_ms <= latency.p99_ms <= latency.max_ms == values.max()
    )
    assert values.min() * 0.999999 <= latency.mean_ms <= values.max() * 1.000001


@given(measurements)
def test_point_pools_requests_not_percentiles(parts):
    point = Point.of(Load(batch=2), parts)
    together = np.concatenate([part.latencies_ms for part in parts])
    assert point.latency == Latency.of(together)
    assert point.requests == len(together)
    assert point.images_per_second == pytest.approx(2 * len(together) / sum(part.seconds for part in parts))
    slowest, fastest = point.images_per_second_range
    assert slowest * 0.999999 <= point.images_per_second <= fastest * 1.000001


@given(measurements, st.floats(0.01, 100))
def test_deviation_does_not_depend_on_the_speed_of_the_machine(parts, factor):
    faster = [measurement(part.latencies_ms * factor, part.seconds * factor, part.batch) for part in parts]
    deviations = [Point.of(Load(batch=2), windows).deviation for windows in (parts, faster)]
    if len(parts) < 3:
        assert deviations == [None, None]
    else:
        assert deviations[0] == pytest.approx(deviations[1], abs=1e-9)


@pytest.mark.parametrize(
    ("requests_of_each_window", "stable"),
    [
        ([100, 100], None),
        ([100, 100, 100], True),
        ([95, 100, 105], True),
        ([100, 100, 130], False),
        ([500, 100, 100, 100], True),  # only the last three count
    ],
)
def test_windows_within_ten_percent_are_stable(requests_of_each_window, stable):
    assert (
        Point.of(Load(), [measurement([1.0] * count) for count in requests_of_each_window]).stable is stable
    )


def test_windows_whose_latency_drifts_are_not_stable_though_throughput_is():
    drifting = [measurement([latency] * 10) for latency in (1.0, 1.5, 2.0)]
    assert Point.of(Load(), drifting).stable is False


def test_failed_requests_are_counted_beside_throughput():
    point = Point.of(
        Load(), [measurement([1.0] * 8, errors=["gone", "gone", "late"]), measurement(errors=["late"])]
    )
    assert point.errors == {"gone": 2, "late": 2}
    assert point.failed == 4
    assert point.requests == 9
    assert point.images_per_second == pytest.approx(4.5)


def test_processor_time_is_per_request_and_in_cores():
    point = Point.of(Load(), [measurement([1.0] * 10, cpu=0.5), measurement([1.0] * 30, cpu=1.5)])
    assert point.client_cpu_ms == pytest.approx(50)
    assert point.client_cores == pytest.approx(1.0)


@given(statistics)
def test_server_times_are_means_per_request(counted):
    times = ServerTimes.of(counted)
    assert times.queue_ms * times.requests == pytest.approx(counted.queue_ns / 1e6)
    assert times.compute_ms * times.requests == pytest.approx(
        (counted.compute_input_ns + counted.compute_infer_ns + counted.compute_output_ns) / 1e6
    )
    assert times.mean_batch == counted.inferences / counted.executions


@pytest.mark.slow
@given(st.lists(statistics, min_size=2, max_size=4))
def test_pooled_server_times_weigh_every_request_alike(counted):
    pooled = ServerTimes.of(reduce(add, counted))
    assert pooled.queue_ms * pooled.requests == pytest.approx(sum(part.queue_ns for part in counted) / 1e6)
    assert pooled.executions == sum(part.executions for part in counted)
    assert sum(pooled.batch_sizes.values()) == sum(sum(part.batch_sizes.values()) for part in counted)


def test_point_without_an_account_of_every_window_has_none():
    counted = ServerStatistics(1, 1, 1, 0, 0, 0, 0)
    assert Point.of(Load(), [measurement(server=counted), measurement()]).server is None
    assert Point.of(Load(), [measurement(server=counted)]).server is not None
