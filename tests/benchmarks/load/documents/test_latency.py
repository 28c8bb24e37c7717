import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.benchmarks.load.documents.latency import FEWEST_REQUESTS, Latency, Percentile, percentile

milliseconds = st.lists(st.floats(0.01, 1e5), min_size=1, max_size=300).map(np.array)


@given(milliseconds, st.sampled_from([50, 90, 99, 100]))
def test_percentile_is_the_smallest_value_that_enough_do_not_exceed(values, percent):
    found = percentile(values, percent)
    assert found in values
    assert 100 * np.count_nonzero(values <= found) >= percent * len(values)
    assert 100 * np.count_nonzero(values < found) < percent * len(values)


@given(milliseconds)
def test_percentiles_of_latency_are_in_order(values):
    latency = Latency.of(values)
    shown = [latency.p50_ms, latency.p90_ms, latency.p95_ms, latency.p99_ms, latency.p999_ms, latency.max_ms]
    known = [figure for figure in shown if figure is not None]
    assert known == sorted(known)
    assert values.min() <= known[0]
    assert known[-1] == values.max()
    assert values.min() * 0.999999 <= latency.mean_ms <= values.max() * 1.000001


@pytest.mark.parametrize(("name", "fewest"), FEWEST_REQUESTS.items())
def test_a_percentile_of_too_few_requests_is_not_given(name, fewest):
    assert getattr(Latency.of(np.ones(fewest)), name).value_ms == 1
    if fewest > 1:
        assert getattr(Latency.of(np.ones(fewest - 1)), name) is None


@pytest.mark.parametrize(("name", "percent"), [("p90", 90), ("p95", 95), ("p99", 99), ("p999", 99.9)])
def test_every_percentile_that_is_given_has_a_whole_interval(name, percent):
    found = Percentile.of(np.arange(FEWEST_REQUESTS[name], dtype=float), percent)
    assert found.low_ms < found.value_ms < found.high_ms


def test_a_median_of_five_has_no_interval_and_of_six_their_range():
    assert Percentile.of(np.arange(5.0), 50).high_ms is None
    of_six = Percentile.of(np.arange(6.0), 50)
    assert (of_six.low_ms, of_six.high_ms) == (0, 5)


@pytest.mark.parametrize(("count", "percent"), [(30, 50), (200, 95), (2000, 99)])
def test_intervals_hold_the_true_percentile_nineteen_times_in_twenty(count, percent):
    numbers = np.random.default_rng(7)
    true = -np.log(1 - percent / 100)
    samples = np.sort(numbers.exponential(size=(1000, count)), axis=1)
    intervals = [Percentile.of(sample, percent) for sample in samples]
    held = np.mean([one.low_ms <= true <= one.high_ms for one in intervals])
    assert 0.93 <= held <= 1  # at least 0.95, and chance


def test_ranks_of_the_median_of_a_hundred_are_those_of_the_tables():
    found = Percentile.of(np.arange(1.0, 101.0), 50)
    assert (found.low_ms, found.high_ms) == (40, 61)
    many = Percentile.of(np.arange(1.0, 1e6 + 1), 50)
    assert (many.low_ms, many.high_ms) == pytest.approx((499_020, 500_981), abs=1)


def test_schema_1_is_read_without_intervals():
    old = {"mean_ms": 1, "p50_ms": 1.5, "p90_ms": 2, "p99_ms": 3, "max_ms": 4}
    latency = Latency.model_validate(old)
    assert latency.p99 == Percentile(value_ms=3)
    assert latency.p95 is None
    assert (latency.p50_ms, latency.mean_ms, latency.max_ms) == (1.5, 1, 4)
    assert Latency.model_validate(latency.model_dump()) == latency
