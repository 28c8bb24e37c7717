import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.benchmarks.load.effect import FEWEST_PAIRS, Effect

RATIOS = st.lists(st.floats(0.2, 5.0), min_size=1, max_size=40)


def noisy(speed: float, *, seed: int, pairs: int = 24, noise: float = 0.06) -> list[float]:
    """Ratios of pairs on a machine with neighbours: some windows are slowed down by far."""
    random = np.random.default_rng(seed)
    sides = np.exp(noise * random.standard_normal((2, pairs)))
    sides *= np.where(random.random((2, pairs)) < 0.1, 0.5, 1.0)
    return (speed * sides[0] / sides[1]).tolist()


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
    planted = [Effect.of([noisy(1 / 1.15, seed=seed)]).verdict for seed in range(200)]
    same = [Effect.of([noisy(1.0, seed=seed)]).verdict for seed in range(200)]
    assert planted.count("slower") >= 198
    assert same.count("slower") == same.count("faster") == 0


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
