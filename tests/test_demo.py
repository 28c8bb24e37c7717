import numpy as np
import pytest

from litho.demo import label_agreement, relative_variety
from litho.training.data import load


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    data = load("digits")
    assert data.labels is not None
    return data.images, data.labels


def test_real_digits_are_recognised_and_shifted_labels_are_not(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = digits
    assert label_agreement(images, labels) > 0.98
    assert label_agreement(images, (labels + 1) % 10) < 0.05


def test_variety_is_one_for_real_digits_and_nothing_for_copies(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = digits
    assert relative_variety(images, labels) == pytest.approx(1)
    copies = np.stack([images[np.flatnonzero(labels == label)[0]] for label in labels])
    assert relative_variety(copies, labels) == 0
