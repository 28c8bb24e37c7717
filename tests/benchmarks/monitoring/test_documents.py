"""When a series is right."""

import pytest

from litho.benchmarks.monitoring.documents import Checked


@pytest.mark.parametrize(
    ("value", "low", "high", "right"),
    [
        (1.0, 0.0, 2.0, True),
        (3.0, 0.0, 2.0, False),
        (None, 0.0, 2.0, False),
        (None, None, None, True),
        (0.0, None, None, False),
    ],
)
def test_a_series_is_right_within_its_bounds_or_absent_where_it_should_be(
    value: float | None, low: float | None, high: float | None, right: bool
) -> None:
    one = Checked(kind="rule", query="q", labels="{}", value=value, low=low, high=high, source="s")
    assert one.right is right
