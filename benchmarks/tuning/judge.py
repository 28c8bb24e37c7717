"""Judge candidates of `litho bench tune`: always against the default that was measured in turns with them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Literal

from ..shared.paired import median_interval
from .documents import Confirmation, Figures, Goal, Round

__all__ = [
    "FAILED",
    "FEWEST_PAIRS",
    "clearly_worse",
    "confirmed",
    "gain",
    "score",
    "score_of_default",
    "within",
]

TOLERANCE = 0.05
"""Smallest gain that counts: what differs by less is the same."""

SLO_SHARE = 0.99
"""Share of the requests that must be answered in time: their 99th percentile is then in time."""

ENOUGH_REQUESTS = 1000
"""Requests that a 99th percentile needs."""

FEWEST_PAIRS = 5

FAILED = -2.0
"""Score of a candidate that cannot be served, below all others: they are above -1."""

_FAR, _NEAR = 0.5, 0.95
"""Share of the best gain below which a candidate is given up: after one round, and with its best round later."""

Outcome = Literal["better", "not better", "worse", "not decided"]


def gain(goal: Goal, one: Round) -> float:
    """How many times better the candidate was than the default next to it; 1 is equal, above 1 is better."""
    if goal.aim == "throughput":
        return one.candidate.images_per_second / one.default.images_per_second
    if goal.aim == "latency":
        return one.default.p50_ms / one.candidate.p50_ms
    return one.default.cpu_ms / one.candidate.cpu_ms


def within(figures: Sequence[Figures]) -> float:
    """Share of all requests of some windows that were answered in time; failed ones were not.

    Args:
        figures: of the windows; empty gives 0.
    """
    asked = sum(one.requests + one.failed for one in figures)
    return sum(one.in_time or 0 for one in figures) / asked if asked else 0.0


def score(goal: Goal, rounds: Sequence[Round]) -> float:
    """One number of a candidate, more is better.

    Returns:
        The median gain; with `goal.slo_ms`, for a candidate that misses it, the share of requests in time less 1:
        below every gain, and nearer to 0 the nearer it is to the goal.
    """
    share = within([one.candidate for one in rounds])
    if goal.slo_ms is not None and share < SLO_SHARE:
        return share - 1
    return median(gain(goal, one) for one in rounds)


def score_of_default(goal: Goal, figures: Sequence[Figures]) -> float:
    """The same number of the default: 1, or less than 0 if it misses `goal.slo_ms`.

    Args:
        goal: of the search.
        figures: of all its windows so far.
    """
    share = within(figures)
    return share - 1 if goal.slo_ms is not None and figures and share < SLO_SHARE else 1.0


def clearly_worse(gains: Sequence[float], best: float) -> bool:
    """Whether further rounds are a waste: far behind after one round, or never near the best after more.

    Args:
        gains: of the candidate's rounds so far.
        best: the best score so far of what keeps the goal, 1 for the default; 0 if nothing does.
    """
    if len(gains) < 2:
        return bool(gains) and gains[0] < _FAR * best
    return max(gains) < _NEAR * best


def confirmed(goal: Goal, rounds: Sequence[Round]) -> Confirmation:
    """The verdict about the best candidate after fresh pairs.

    Args:
        goal: of the search.
        rounds: pairs of windows of the candidate and the default, at least one.
    """
    gains = [gain(goal, one) for one in rounds]
    low, high = median_interval(gains)
    outcome, reason = _outcome(goal, rounds, low, high)
    return Confirmation(
        rounds=tuple(rounds), gain=median(gains), low=low, high=high, verdict=outcome, reason=reason
    )


def _outcome(goal: Goal, rounds: Sequence[Round], low: float, high: float) -> tuple[Outcome, str]:
    if len(rounds) < FEWEST_PAIRS:
        return "not decided", f"only {len(rounds)} pairs were measured; give more --seconds"
    if goal.slo_ms is not None:
        missed = _missed(goal.slo_ms, rounds)
        if missed is not None:
            return missed
    if low > 1 + TOLERANCE:
        return "better", f"all of the interval is more than {TOLERANCE:.0%} above the default"
    if high < 1 - TOLERANCE:
        return "worse", "the gain of the search did not come again"
    if high <= 1 + TOLERANCE:
        return "not better", f"it gains less than {TOLERANCE:.0%}"
    return "not decided", f"the interval includes gains of less than {TOLERANCE:.0%}; give more --seconds"


def _missed(slo_ms: float, rounds: Sequence[Round]) -> tuple[Outcome, str] | None:
    """The verdict that the goal for latency decides; None if both keep it."""
    sides = [one.candidate for one in rounds], [one.default for one in rounds]
    counts = [sum(window.requests + window.failed for window in side) for side in sides]
    if min(counts) < ENOUGH_REQUESTS:
        return "not decided", (
            f"a 99th percentile needs {ENOUGH_REQUESTS:,} requests, and {min(counts):,} were made; give more --seconds"
        )
    candidate, default = map(within, sides)
    if candidate < SLO_SHARE:
        return "worse", f"only {candidate:.1%} of its requests were answered within {slo_ms:g} ms"
    if default < SLO_SHARE:
        return "better", (
            f"it answers {candidate:.1%} of the requests within {slo_ms:g} ms, and the default {default:.1%}"
        )
    return None
