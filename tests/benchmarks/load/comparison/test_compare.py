import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.benchmarks import compare
from litho.benchmarks.load.documents.result import Comparison
from litho.benchmarks.load.documents.windows import Latency, Load, Window
from litho.errors import UsageError


def window(images_per_second):
    latency = Latency.of(np.ones(1))
    return Window(
        seconds=1,
        requests=1,
        images=images_per_second,
        errors={},
        latency=latency,
        client_cpu_ms=1,
        server=None,
    )


def comparison(pairs, at_least=None):
    return Comparison(
        first="a", second="b", first_load=Load(), second_load=Load(), pairs=pairs, at_least=at_least
    )


def test_sides_take_turns_and_neither_always_goes_first():
    order = []
    pairs = compare(
        lambda: order.append("A") or window(80), lambda: order.append("B") or window(100), pairs=4
    )
    assert "".join(order) == "ABBAABBA"
    assert [pair.ratio for pair in pairs] == [0.8] * 4


def test_slow_drift_of_the_machine_cancels_while_its_speed_halves_again_and_again():
    speed = [1_000_000.0]

    def measure(factor):
        speed[0] *= 0.9
        return window(round(factor * speed[0]))

    found = comparison(compare(lambda: measure(0.8), lambda: measure(1.0), pairs=10))
    # Each pair errs by the drift of one window, half of them upwards and half downwards.
    assert found.ratio == pytest.approx(0.8, rel=0.02)
    assert found.ratio_range == pytest.approx((0.8 * 0.9, 0.8 / 0.9), rel=0.01)


@pytest.mark.slow
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=9), st.floats(0.01, 10))
def test_median_lies_in_the_range_and_decides(speeds, at_least):
    found = comparison(
        compare(lambda: window(500), iter(map(window, speeds)).__next__, pairs=len(speeds)), at_least
    )
    low, high = found.ratio_range
    assert low <= found.ratio <= high
    assert found.passed is (found.ratio >= at_least)


def test_without_a_bar_there_is_no_verdict():
    assert comparison(compare(lambda: window(1), lambda: window(2), pairs=1)).passed is None


def test_no_pairs_are_refused():
    with pytest.raises(UsageError, match="pairs was given 0; it takes 1 or more"):
        compare(lambda: window(1), lambda: window(1), pairs=0)
