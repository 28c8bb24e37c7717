"""The distance of paired sets: against torchmetrics' own, and over many draws of which the truth is known."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from litho.export.validation.paired_sets import CONFIDENCE, PairedSets, frechet
from litho.training.metrics.distance import frechet_distance

Array = NDArray[np.float64]
LIMIT = 1.05
DRAWS = 80


def gaussian(random: np.random.Generator, count: int = 128, features: int = 8) -> Array:
    """Features of a fixed distribution, a few directions of which hold most of the variance, as of pictures."""
    return random.standard_normal((count, features)) * np.exp(-0.3 * np.arange(features))


def refused(change: Callable[[Array, np.random.Generator], Array], count: int = 128) -> float:
    """Share of many draws in which a variant is refused."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS):
        first, second = gaussian(random, count), gaussian(random, count)
        found.append(PairedSets(first, second).ratio(change(first, random)).lower > LIMIT)
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("count", "features"), [(200, 12), (9, 16)], ids=["usual", "fewer pictures than features"]
)
def test_the_distance_is_that_of_torchmetrics(count: int, features: int) -> None:
    random = np.random.default_rng(1)
    first, second = gaussian(random, count, features), 0.3 + 1.2 * gaussian(random, count, features)
    expected = frechet_distance(torch.from_numpy(first), torch.from_numpy(second))
    assert frechet(first, second) == pytest.approx(expected, rel=1e-4)


def test_without_a_least_unit_the_figure_is_a_ratio_of_two_distances() -> None:
    random = np.random.default_rng(2)
    first, second = gaussian(random), gaussian(random)
    variant = 0.1 + first
    expected = frechet(second, variant) / frechet(second, first)
    found = PairedSets(first, second).ratio(variant)
    assert found.value == pytest.approx(expected)
    assert found.lower < found.value < found.upper


def test_the_same_pictures_are_exactly_as_far() -> None:
    random = np.random.default_rng(3)
    first = gaussian(random)
    found = PairedSets(first, gaussian(random)).ratio(first)
    assert (found.lower, found.value, found.upper) == (1, 1, 1)


def test_the_interval_is_the_same_every_time() -> None:
    random = np.random.default_rng(4)
    first, second = gaussian(random), gaussian(random)
    assert PairedSets(first, second).ratio(first * 1.1) == PairedSets(first, second).ratio(first * 1.1)


@pytest.mark.parametrize(
    "change",
    [
        lambda first, random: gaussian(random),
        lambda first, random: first + 0.02 * random.standard_normal(first.shape),
    ],
    ids=["other pictures", "rounding errors"],
)
def test_what_has_the_same_distribution_is_seldom_refused(
    change: Callable[[Array, np.random.Generator], Array],
) -> None:
    assert refused(change) <= 1 - CONFIDENCE


@pytest.mark.parametrize(
    "change",
    [
        lambda first, random: first + 0.5 * (np.arange(first.shape[1]) == 0),
        lambda first, random: first * 0.75,
        lambda first, random: np.repeat(first[: len(first) // 8], 8, axis=0),
        lambda first, random: np.repeat(first[:1], len(first), axis=0),
    ],
    ids=[
        "shifted by half a standard deviation",
        "three quarters of the variety",
        "an eighth of the pictures",
        "one",
    ],
)
def test_a_real_difference_is_nearly_always_refused(
    change: Callable[[Array, np.random.Generator], Array],
) -> None:
    assert refused(change, count=256) >= 0.9


def test_the_least_unit_keeps_what_pixels_cannot_show_from_refusing() -> None:
    random = np.random.default_rng(5)
    first, second = 1e-4 * gaussian(random), 1e-4 * gaussian(random)
    shifted = first + 1e-3
    assert PairedSets(first, second).ratio(shifted).lower > LIMIT
    least = frechet(first, first + 0.05)
    assert PairedSets(first, second, least).ratio(shifted).upper < LIMIT
    assert PairedSets(first, second, least).ratio(first + 0.05).lower > LIMIT


def test_sets_without_any_distance_have_no_ratio() -> None:
    same = np.zeros((16, 4))
    with pytest.raises(ZeroDivisionError):
        PairedSets(same, same).ratio(same)
