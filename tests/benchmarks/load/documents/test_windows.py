from collections import Counter

import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.benchmarks.load.documents.quality import Quality
from litho.benchmarks.load.documents.windows import (
    Judged,
    Latency,
    Load,
    Measurement,
    Point,
)
from litho.runners.triton import ServerStatistics

milliseconds = st.lists(st.floats(0.01, 1e5), min_size=1, max_size=300).map(np.array)


def measurement(latencies=(1.0,), seconds=1.0, batch=1, errors=(), server=None, cpu=0.1, **more):
    return Measurement(
        seconds=seconds,
        batch=batch,
        latencies_ms=np.array(latencies, float),
        errors=Counter(errors),
        client_cpu_seconds=cpu,
        server=server,
        **more,
    )


measurements = st.lists(
    st.builds(measurement, latencies=milliseconds, seconds=st.floats(0.1, 100), batch=st.just(2)),
    min_size=1,
    max_size=5,
)


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


@pytest.mark.parametrize(
    ("windows", "reason"),
    [
        ([measurement([1.0] * 100)] * 2, "it takes 3 windows"),
        ([measurement([1.0] * 100, seconds=0.6)] * 3, "a window of 0.6 s is too short; it takes 1 s"),
        ([measurement([1.0] * 29)] * 3, "a window has 29 requests; it takes 30"),
    ],
)
def test_too_little_is_not_judged_and_says_why(windows, reason):
    point = Point.of(Load(), windows)
    assert point.stable is None
    assert point.not_judged == reason


def test_a_load_that_was_not_held_is_not_stable():
    held, missed = (
        Point.of(
            Load(concurrency=32),
            [measurement([1.0] * 100, in_flight=achieved, in_flight_wanted=32)] * 3,
        )
        for achieved in (31.4, 28.0)
    )
    assert held.stable
    assert held.held == pytest.approx(31.4 / 32)
    assert missed.stable is False
    assert missed.unstable == "only 28 of 32 requests were in flight"


def test_a_rate_that_was_not_answered_is_beyond_reach():
    reached, not_reached = (
        Point.of(Load(), [measurement([1.0] * 100, offered_rate=rate)] * 3) for rate in (104.0, 200.0)
    )
    assert reached.stable
    assert not reached.beyond_reach
    assert not_reached.stable is False
    assert not_reached.beyond_reach.startswith(
        "200 requests/s are beyond reach: 100 requests/s were answered"
    )


@pytest.mark.parametrize(("failed", "invalid"), [(1, False), (3, True)])
def test_more_than_one_percent_of_errors_counts_for_nothing(failed, invalid):
    asked = [measurement([1.0] * (100 - failed), errors=["gone"] * failed, asked=100)] * 3
    point = Point.of(Load(), asked)
    assert point.failed_share == pytest.approx(failed / 100)
    assert bool(point.invalid) is invalid
    assert point.stable is (not invalid)
    if invalid:
        assert point.invalid == "3.0% of the requests failed; at most 1% may"


def test_wrong_pictures_count_for_nothing_however_fast():
    wrong = Quality(pictures=9, wrong=9, worst_difference=255, against="probes", reason="a pixel is 255 off")
    point = Point.of(Load(), [measurement([1e-3] * 100)] * 3, Judged(quality=lambda measured: wrong))
    assert point.invalid == "a pixel is 255 off"
    assert point.stable is False


def test_goodput_counts_answers_within_the_bound_and_no_failures():
    part = measurement([1.0] * 60 + [9.0] * 30, seconds=2.0, batch=2, errors=["gone"] * 10, asked=100)
    goodput = Point.of(Load(batch=2), [part], Judged(slo_ms=5.0)).goodput
    assert goodput.share == pytest.approx(0.6)
    assert goodput.images_per_second == pytest.approx(60)


def test_steps_previews_and_lag_are_figures_of_their_own():
    part = measurement(
        [10.0] * 4,
        seconds=2.0,
        steps=80,
        first_preview_ms=np.array([2.0, 3.0]),
        late_ms=np.array([0.1, 0.3, 0.1, 0.1]),
    )
    point = Point.of(Load(), [part, part])
    assert point.steps_per_second == pytest.approx(40)
    assert point.first_preview.mean_ms == pytest.approx(2.5)
    assert point.late_ms == pytest.approx(0.15)


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


def test_point_without_an_account_of_every_window_has_none():
    counted = ServerStatistics(1, 1, 1, 0, 0, 0, 0)
    assert Point.of(Load(), [measurement(server=counted), measurement()]).server is None
    assert Point.of(Load(), [measurement(server=counted)]).server is not None
