import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.benchmarks.load.comparison.effect import FEWEST_PAIRS, Effect
from litho.benchmarks.regressions.run import LEAST_RUNS, MORE_RUNS, MOST_RUNS

RATIOS = st.lists(st.floats(0.2, 5.0), min_size=1, max_size=40)


def verdict_of_trial(speed: float, *, seed: int, noise: float = 0.06) -> str:
    """A trial of `benchmarks.regressions` on a machine with neighbours: one window in ten is only half as fast."""
    random = np.random.default_rng(seed)
    sides = np.exp(noise * random.standard_normal((2, MOST_RUNS)))
    sides *= np.where(random.random(sides.shape) < 0.1, 0.5, 1.0)
    ratios = speed * sides[0] / sides[1]
    for pairs in range(LEAST_RUNS, MOST_RUNS + 1, MORE_RUNS):
        verdict = Effect.of([ratios[:pairs].tolist()]).verdict
        if verdict != "not decided":
            return verdict
    return "not decided"


@given(RATIOS)
def test_interval_holds_the_ratio_and_lies_within_the_pairs(ratios):
    effect = Effect.of([ratios])
    margin = 1 + 1e-9
    assert min(ratios) / margin <= effect.low <= effect.ratio * margin
    assert effect.ratio / margin <= effect.high <= max(ratios) * margin
    assert effect == Effect.of([ratios])


@given(RATIOS, st.floats(0.5, 2.0))
def test_a_faster_machine_for_both_sides_changes_nothing_and_a_faster_side_does(ratios, factor):
    effect, scaled = Effect.of([ratios]), Effect.of([[factor * ratio for ratio in ratios]])
    assert scaled.ratio == pytest.approx(factor * effect.ratio)
    assert scaled.high == pytest.approx(factor * effect.high)


def test_planted_slowdown_of_15_percent_is_found_and_none_is_not():
    planted = {verdict_of_trial(1 / 1.15, seed=seed) for seed in range(40)}
    same = {verdict_of_trial(1.0, seed=seed) for seed in range(40)}
    assert planted == {"slower"}
    assert same <= {"same", "not decided"}


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(0.90, "slower"), (0.97, "same"), (1.0, "same"), (1.04, "same"), (1.10, "faster")]
)
def test_verdict_needs_the_whole_interval(ratio, verdict):
    assert Effect.of([[ratio] * FEWEST_PAIRS]).verdict == verdict
    assert Effect.of([[ratio] * (FEWEST_PAIRS - 1)]).verdict == "not decided"
    assert Effect.of([[0.8, 1.2] * FEWEST_PAIRS]).verdict == "not decided"


def test_tolerance_is_the_users():
    ratios = [[0.9] * FEWEST_PAIRS]
    assert Effect.of(ratios, 0.2).verdict == "same"
    assert Effect.of(ratios, 0.01).verdict == "slower"


def test_every_load_counts_as_much_whatever_its_number_of_pairs():
    effect = Effect.of([[2.0] * 30, [0.5] * 6])
    assert effect.ratio == pytest.approx(1.0)
    assert effect.pairs == 36
