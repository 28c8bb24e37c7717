"""Fits of planted growth."""

import numpy as np
import pytest

from litho.benchmarks.growth.power_law import fit_growth, fit_power_law

XS = [float(1 << power) for power in range(9)]


def noisy(values: dict[float, float], spread: float = 0.02) -> dict[float, list[float]]:
    random = np.random.default_rng(3)
    return {x: (y * np.exp(spread * random.standard_normal(15))).tolist() for x, y in values.items()}


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0])
def test_a_planted_exponent_is_found_within_its_interval(exponent: float) -> None:
    found = fit_power_law(noisy({x: 3 * x**exponent for x in XS}))
    assert found.low <= exponent <= found.high
    assert found.high - found.low < 0.02
    assert found.at(16) == pytest.approx(3 * 16**exponent, rel=0.02)
    assert found.misfit < 1.03


def test_one_power_law_is_enough_where_it_fits() -> None:
    found = fit_growth(noisy({x: 2 * x for x in XS}))
    assert (found.form, found.pieces) == ("one power law", ())
    assert str(found).startswith("x^1.00 (")


def test_a_knee_is_two_power_laws() -> None:
    found = fit_growth(noisy({x: 2.0 if x <= 16 else 2 * x / 16 for x in XS}))
    assert found.form == "two power laws"
    low, high = found.pieces
    assert low.exponent == pytest.approx(0, abs=0.05)
    assert high.exponent == pytest.approx(1, abs=0.05)
    assert low.to_x in (8, 16)
    assert found.power.misfit > 1.15


def test_a_bad_fit_says_so() -> None:
    found = fit_growth({x: [1.0 + 9 * (number % 2)] for number, x in enumerate(XS)})
    assert found.form == "none"
    assert "misses by" in str(found)


def test_through_two_points_nothing_is_proven() -> None:
    found = fit_growth({1.0: [1.0, 1.1], 2.0: [2.0]})
    assert (found.form, found.power.misfit) == ("none", pytest.approx(1))
    assert str(found).endswith("of too few points")
