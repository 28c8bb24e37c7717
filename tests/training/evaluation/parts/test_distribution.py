"""Distances and neighbourhoods of generators whose figures are known."""

import numpy as np

from litho.training.evaluation.document import Figure
from litho.training.evaluation.feature_net import FeatureNet

from ..conftest import Copier, Split, context_of
from .conftest import figures_of


def test_pictures_like_the_real_ones_are_near_the_reference(perfect: dict[str, Figure]) -> None:
    for name in ("FD-digits", "precision", "recall", "coverage", "label accuracy (GAN-test)"):
        figure = perfect[name]
        assert figure.reference is not None
        assert figure.baseline is not None
        assert abs(figure.value - figure.reference) < 0.5 * abs(figure.baseline - figure.reference), name


def test_reference_and_baseline_are_on_the_sides_that_the_figure_says(perfect: dict[str, Figure]) -> None:
    for figure in perfect.values():
        if figure.reference is not None and figure.baseline is not None and "density" not in figure.metric:
            assert (figure.reference < figure.baseline) == (figure.better == "lower"), figure.metric


def test_a_generator_of_one_class_has_precision_without_recall(digits: Split, digits_net: FeatureNet) -> None:
    test = digits[1]
    assert test.labels is not None
    threes = test.select(np.flatnonzero(test.labels == 3))
    found = figures_of(context_of(Copier(threes, conditional=False), digits, digits_net))
    assert found["recall"].value < 0.25 < found["precision"].value
    assert found["FD-digits"].value > 10 * found["FD-digits"].reference
    assert "label accuracy (GAN-test)" not in found


def test_every_set_of_a_comparison_is_of_one_size(perfect: dict[str, Figure], digits: Split) -> None:
    assert perfect["FD-digits"].n == min(400, len(digits[1]))
    assert perfect["label accuracy (GAN-test)"].n == 400


def test_two_measurements_give_the_same_figures(digits: Split, digits_net: FeatureNet, perfect: dict) -> None:
    assert figures_of(context_of(Copier(digits[1]), digits, digits_net)) == perfect
