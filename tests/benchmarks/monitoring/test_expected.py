"""The right numbers of a load that can be worked out by hand."""

import pytest

from litho.benchmarks.monitoring.expected import Bounds, Expected, Timing
from litho.benchmarks.monitoring.facts import ModelFacts
from litho.benchmarks.monitoring.queries import dashboard_queries, rule_queries

from .test_facts import facts, outcomes, statistics


@pytest.fixture
def expected() -> Expected:
    whole = ModelFacts("w", False, 8, outcomes([0.2] * 60), 0, statistics(60, 6.0), 0)
    flying = ModelFacts("f", True, 8, outcomes([0.5] * 30), 0, statistics(30), 240)
    addresses = {"litho-triton": "t:1", "litho-gateway": "g:1"}
    return Expected(facts(whole, flying), Timing(2.0, 0.5, addresses, {"f": 0.1}))


def test_rates_are_counts_over_the_range_and_quotients_are_exact(expected: Expected) -> None:
    rates = expected.of("model:litho_requests:rate2m")
    assert rates is not None
    # Two minutes, divided by 2; four scrapes of half a second in a load of 10 s.
    assert rates[("model", "w"),].low == pytest.approx(1.0, rel=1e-5)
    assert rates[("model", "w"),].high == pytest.approx(1.2)
    assert rates[("model", "f"),].low == pytest.approx(0.5, rel=1e-5)
    waits = expected.of("model:litho_wait_seconds:mean2m")
    assert waits is not None
    assert waits[("model", "w"),].low <= 0.1 <= waits[("model", "w"),].high
    assert waits[("model", "w"),].high - waits[("model", "w"),].low < 3e-4
    assert expected.scaling("w") == waits[("model", "w"),]
    longest = expected.of("Longest wait A")
    assert longest is not None
    assert longest[()].high == max(bounds.high for bounds in waits.values())


def test_every_rule_and_panel_has_right_numbers(expected: Expected) -> None:
    queries = [*(one for one in rule_queries() if one.kind == "rule"), *dashboard_queries()]
    for query in queries:
        series = expected.of(query.name)
        assert series is not None, query.name
        assert all(bounds.low <= bounds.high for bounds in series.values()), query.name
    assert expected.of("no such panel A") is None


def test_a_value_near_another_is_within_a_share_and_a_rest() -> None:
    assert Bounds.near(2, "x", 0.1, 0.5) == Bounds(1.3, 2.7, "x")
