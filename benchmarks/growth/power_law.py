"""How something grows: y = factor x^exponent by least squares of the logarithms, with an interval and its misfit.

Few things are one power law over a wide range: fixed costs rule at one end, and a limit at the other. Every fit says
by how much it misses its worst point, and where one power misses by too much, two with a break between them are given
beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...bundle.json_documents import Document

__all__ = ["MOST_MISFIT", "Growth", "PowerLaw", "fit_growth", "fit_power_law"]

MOST_MISFIT = 1.15
"""Largest ratio of a point to its fit with which the fit counts as good."""

_RESAMPLES = 400
_LEAST_POINTS = 3
"""Points of a fit that says something: through two, every power law is exact."""


class PowerLaw(Document):
    """y = factor x^exponent over a range.

    Args:
        from_x, to_x: the range, both ends included.
        exponent: 1 for what doubles as x doubles, 0 for what stays.
        low, high: 95 % interval of the exponent, by resampling the measurements of each point.
        factor: y at x = 1.
        misfit: largest ratio of a point to the fit or of the fit to a point, at least 1.
    """

    from_x: float
    to_x: float
    exponent: float
    low: float
    high: float
    factor: float
    misfit: float

    def at(self, x: float) -> float:
        """y at x."""
        return self.factor * x**self.exponent


class Growth(Document):
    """How a measured quantity grows.

    Args:
        power: over the whole range.
        pieces: two power laws, which meet between two points; empty where one is good or points are too few.
        form: "one power law" or "two power laws", whichever misses no point by more than `MOST_MISFIT`; else "none",
            also of fewer than three points, through which every power law goes.
    """

    power: PowerLaw
    pieces: tuple[PowerLaw, ...]
    form: Literal["one power law", "two power laws", "none"]

    def __str__(self) -> str:
        parts = self.pieces if self.form == "two power laws" else (self.power,)
        words = "; ".join(
            f"x^{one.exponent:.2f} ({one.low:.2f} to {one.high:.2f}) from {one.from_x:g} to {one.to_x:g}"
            for one in parts
        )
        missed = max(one.misfit for one in parts)
        if self.form != "none":
            return f"{words}, within {missed - 1:.0%}"
        known = missed > MOST_MISFIT
        return f"{words}, misses by {missed - 1:.0%}" if known else f"{words}, of too few points"


def fit_growth(measured: Mapping[float, Sequence[float]]) -> Growth:
    """Fit one power law, and two if one is not good.

    Args:
        measured: x -> what was measured there, all above 0; at least two different x.
    """
    power = fit_power_law(measured)
    if power.misfit <= MOST_MISFIT:
        form = "one power law" if len(measured) >= _LEAST_POINTS else "none"
        return Growth(power=power, pieces=(), form=form)
    xs, pieces = sorted(measured), tuple[PowerLaw, ...]()
    smallest = math.inf
    for cut in range(_LEAST_POINTS, len(xs) - _LEAST_POINTS + 1):
        parts = [{x: measured[x] for x in part} for part in (xs[:cut], xs[cut:])]
        error = sum(_squares(*_medians(part)) for part in parts)
        if error < smallest:
            smallest = error
            pieces = tuple(fit_power_law(part) for part in parts)
    good = bool(pieces) and max(one.misfit for one in pieces) <= MOST_MISFIT
    return Growth(power=power, pieces=pieces, form="two power laws" if good else "none")


def fit_power_law(measured: Mapping[float, Sequence[float]]) -> PowerLaw:
    """The power law with the least squared error of logarithms of medians.

    Args:
        measured: x -> what was measured there, all above 0; at least two different x.
    """
    x, y = _medians(measured)
    exponent, constant = _line(x, y)
    random = np.random.default_rng(0)
    slopes = []
    for _ in range(_RESAMPLES):
        drawn = [
            np.median(random.choice(np.asarray(measured[at]), len(measured[at]))) for at in sorted(measured)
        ]
        slopes.append(_line(x, np.log(drawn))[0])
    low, high = np.percentile(slopes, [2.5, 97.5])
    return PowerLaw(
        from_x=min(measured),
        to_x=max(measured),
        exponent=exponent,
        low=float(low),
        high=float(high),
        factor=math.exp(constant),
        misfit=float(np.exp(np.abs(y - (exponent * x + constant)).max())),
    )


def _medians(measured: Mapping[float, Sequence[float]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logarithms of x and of the median there, x ascending."""
    xs = sorted(measured)
    return np.log(np.array(xs, float)), np.log(np.array([median(measured[x]) for x in xs]))


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and constant of the least squares."""
    slope, constant = np.polyfit(x, y, 1)
    return float(slope), float(constant)


def _squares(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    slope, constant = _line(x, y)
    return float(np.square(y - slope * x - constant).sum())
