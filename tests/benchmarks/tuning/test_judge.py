"""The judge is fair on a machine that drifts, and claims only what fresh pairs show."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.benchmarks.tuning import judge
from litho.benchmarks.tuning.documents import Figures, Goal, Round

SPEEDS = st.floats(1, 1e4)
GAINS = st.lists(st.floats(0.2, 5), min_size=1, max_size=12)


def figures(speed: float, *, requests: int = 200, in_time: int | None = None, failed: int = 0) -> Figures:
    return Figures(
        seconds=1.0,
        images_per_second=speed,
        p50_ms=1e4 / speed,
        requests=requests,
        failed=failed,
        in_time=in_time,
        cpu_ms=2e3 / speed,
    )


def rounds(gains: Sequence[float], speeds: Sequence[float] = (100.0,)) -> list[Round]:
    return [
        Round(candidate=figures(one * speeds[at % len(speeds)]), default=figures(speeds[at % len(speeds)]))
        for at, one in enumerate(gains)
    ]


def drifting(true_gain: float, count: int, *, noise: float, seed: int) -> list[Round]:
    """Pairs on a machine whose speed falls to a third and comes back."""
    random = np.random.default_rng(seed)
    speeds = 100 * (0.65 + 0.35 * np.cos(np.linspace(0, 2 * math.pi, count)))
    return rounds(true_gain * np.exp(random.normal(0, noise, count)), speeds)


@pytest.mark.parametrize("aim", ["throughput", "latency", "cost"])
@given(speed=SPEEDS, true_gain=st.floats(0.2, 5))
def test_more_is_better_for_every_aim(aim: str, speed: float, true_gain: float) -> None:
    one = rounds([true_gain], [speed])[0]
    assert judge.gain(Goal.model_validate({"aim": aim}), one) == pytest.approx(true_gain)


@given(gains=GAINS, speed=SPEEDS)
def test_the_score_does_not_depend_on_the_speed_of_the_machine(gains: list[float], speed: float) -> None:
    slow, quick = (judge.score(Goal(), rounds(gains, [one])) for one in (speed, 7 * speed))
    assert slow == pytest.approx(quick)
    assert min(gains) * 0.999 <= slow <= max(gains) * 1.001


@given(gains=GAINS, share=st.floats(0, 1))
def test_what_misses_the_bound_is_below_all_that_keep_it_and_above_what_fails(
    gains: list[float], share: float
) -> None:
    goal = Goal(slo_ms=10)
    in_time = round(1000 * share)
    missing = [
        Round(candidate=figures(one, requests=1000, in_time=in_time), default=figures(1)) for one in gains
    ]
    keeps = in_time >= 990
    assert (judge.score(goal, missing) > 0) == keeps
    assert judge.score(goal, missing) > judge.FAILED


def test_a_failed_request_is_not_in_time() -> None:
    assert judge.within([figures(1, requests=99, in_time=99, failed=1)]) == 0.99
    assert judge.within([]) == 0


def test_the_default_has_the_score_1_unless_it_misses_the_bound() -> None:
    late = [figures(1, requests=100, in_time=90)]
    assert judge.score_of_default(Goal(), late) == 1
    assert judge.score_of_default(Goal(slo_ms=1), []) == 1
    assert judge.score_of_default(Goal(slo_ms=1), late) == pytest.approx(-0.1)


@given(gains=GAINS)
def test_what_is_near_the_best_is_never_given_up(gains: list[float]) -> None:
    assert not judge.clearly_worse(gains, max(gains))
    assert not judge.clearly_worse([], 9)
    assert not judge.clearly_worse(gains, 0)


@given(gains=GAINS, factor=st.floats(2.1, 10))
def test_what_is_not_half_as_good_is_given_up(gains: list[float], factor: float) -> None:
    assert judge.clearly_worse(gains, factor * max(gains))


def test_on_a_drifting_machine_a_gain_is_confirmed_and_no_gain_is_not() -> None:
    for seed in range(20):
        gained = judge.confirmed(Goal(), drifting(1.3, 15, noise=0.08, seed=seed))
        assert gained.verdict == "better", (seed, gained.low)
        equal = judge.confirmed(Goal(), drifting(1.0, 15, noise=0.08, seed=seed))
        assert equal.verdict in ("not better", "not decided"), (seed, equal.low)
        lost = judge.confirmed(Goal(), drifting(0.75, 15, noise=0.08, seed=seed))
        assert lost.verdict == "worse"


def test_few_pairs_decide_nothing() -> None:
    found = judge.confirmed(Goal(), rounds([2.0] * (judge.FEWEST_PAIRS - 1)))
    assert found.verdict == "not decided"
    assert "give more --seconds" in found.reason


def with_bound(candidate: float, default: float, requests: int) -> list[Round]:
    sides = [
        figures(100, requests=requests, in_time=round(share * requests)) for share in (candidate, default)
    ]
    return [Round(candidate=sides[0], default=sides[1])] * 5


@pytest.mark.parametrize(
    ("candidate", "default", "requests", "verdict", "words"),
    [
        (1.0, 1.0, 100, "not decided", "a 99th percentile needs 1,000 requests, and 500 were made"),
        (0.98, 1.0, 1000, "worse", "only 98.0% of its requests were answered within 10 ms"),
        (0.995, 0.9, 1000, "better", "within 10 ms, and the default 90.0%"),
        (1.0, 1.0, 1000, "not better", "gains less than 5%"),
    ],
)
def test_the_bound_on_latency_comes_first(
    candidate: float, default: float, requests: int, verdict: str, words: str
) -> None:
    found = judge.confirmed(Goal(slo_ms=10), with_bound(candidate, default, requests))
    assert found.verdict == verdict
    assert words in found.reason
