from dataclasses import replace

import numpy as np
import pytest
import torch

from litho.errors import EvaluationError
from litho.training.data.dataset import Dataset
from litho.training.data.sources import load
from litho.training.data.sources.stacked_mnist import stacked
from litho.training.evaluation.classifier import (
    FEATURES,
    Classifier,
    classes_of,
    classify,
    stacked_digits,
    train_classifier,
)
from litho.training.evaluation.feature_net import FeatureNet


def test_features_and_classes_do_not_depend_on_the_other_pictures(
    digits: tuple[Dataset, Dataset], digits_net: FeatureNet
) -> None:
    images = digits[1].images[:40]
    together, alone = digits_net.classify(images), digits_net.classify(images[7:8])
    assert together.features.shape == (40, FEATURES)
    assert together.features.dtype == torch.float64
    assert torch.allclose(together.features[7], alone.features[0], atol=1e-4)
    assert together.predicted[7] == alone.predicted[0]


def test_features_are_of_one_length_even_for_noise(digits_net: FeatureNet) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
    assert torch.allclose(
        digits_net.classify(noise).features.square().mean(1), torch.ones(20).double(), atol=1e-2
    )


@pytest.mark.slow
def test_one_data_set_gives_one_net(digits: tuple[Dataset, Dataset]) -> None:
    some = replace(digits[0], images=digits[0].images[:, ::2, ::2])
    torch.manual_seed(1)
    first = train_classifier(some).state_dict()
    torch.manual_seed(2)
    second = train_classifier(some).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_without_labels_quarter_turns_are_learned() -> None:
    data = load("digits", resolution=16).split()
    train, test = (replace(each, labels=None, class_names=()) for each in data)
    assert classes_of(train) is None
    net = train_classifier(train)
    assert net.classes == 4
    for turns in range(4):
        turned = np.rot90(test.images, turns, (1, 2))
        assert classify(net, turned).accuracy(np.full(len(test), turns)) > 0.8


def test_labels_of_one_class_are_none(digits: tuple[Dataset, Dataset]) -> None:
    same = replace(digits[0], labels=np.zeros(len(digits[0]), np.int64), class_names=("0",))
    assert classes_of(same) is None


def test_stacked_digits_are_read_channel_by_channel(
    digits: tuple[Dataset, Dataset], digits_net: FeatureNet
) -> None:
    scenes = stacked("stacked", digits[1], 300, seed=0)
    alone = stacked_digits(scenes)
    assert alone is not None
    assert alone.picture == (8, 8, 1)
    assert len(alone.class_names) == 10
    described = digits_net.classify(scenes.images)
    assert described.features.shape == (300, 3 * FEATURES)
    assert scenes.labels is not None
    single = digits_net.classify(digits[1].images).accuracy(digits[1].labels)
    assert described.accuracy(scenes.labels) == pytest.approx(single**3, abs=0.06)


def test_other_data_is_not_taken_for_stacked_digits(digits: tuple[Dataset, Dataset]) -> None:
    assert stacked_digits(digits[0]) is None


@pytest.mark.parametrize("shape", [(0, 8, 8, 1), (2, 8, 8, 3)])
def test_pictures_that_the_net_does_not_take_are_refused(shape: tuple[int, ...]) -> None:
    net = Classifier(2, 3).eval()
    with pytest.raises(EvaluationError, match="takes 2 channels"):
        classify(net, np.zeros(shape, np.uint8))


def test_a_damaged_net_is_refused() -> None:
    net = Classifier(1, 3).eval()
    torch.nn.init.constant_(net.head.weight, 1.0)
    with torch.no_grad():
        net.body[0].weight[0] = torch.nan
    with pytest.raises(EvaluationError, match="NaN or infinite"):
        classify(net, np.zeros((2, 8, 8, 1), np.uint8))


@pytest.mark.parametrize(
    "shape",
    [(10, 3, 3, 1), (10, 8, 6, 1), (1, 8, 8, 1)],
    ids=["too small", "not square, no labels", "only one"],
)
def test_images_that_cannot_be_classified_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(EvaluationError, match="least two of at least 4x4, and square"):
        train_classifier(Dataset("odd", "CC0-1.0", np.zeros(shape, np.uint8)))
