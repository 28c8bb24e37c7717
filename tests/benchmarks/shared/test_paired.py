import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.benchmarks.shared.paired import median_interval, paired_ratio
from litho.errors import UsageError


def test_pairs_cancel_the_drift_that_both_share() -> None:
    random = np.random.default_rng(1)
    drift = np.linspace(1, 3, 41)
    first = 1.15 * drift * random.normal(1, 0.01, 41)
    second = drift * random.normal(1, 0.01, 41)
    ratio = paired_ratio(first.tolist(), second.tolist())
    assert 1.1 < ratio.low < 1.15 < ratio.high < 1.2
    assert ratio.value == pytest.approx(1.15, rel=0.02)
    assert str(ratio) == f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def test_one_pair_is_a_ratio_without_spread() -> None:
    ratio = paired_ratio([2.0], [4.0])
    assert (ratio.low, ratio.value, ratio.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("first", "second"), [([], []), ([1.0], [1.0, 2.0])])
def test_what_is_not_in_pairs_is_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(UsageError, match=r"are no pairs; give as many of each, at least 1"):
        paired_ratio(first, second)


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=40))
def test_the_interval_holds_the_median_and_stays_within_the_values(values: list[float]) -> None:
    low, high = median_interval(values)
    assert min(values) <= low <= float(np.median(values)) <= high <= max(values)
