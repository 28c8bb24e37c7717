import numpy as np
import pytest

from litho.training.data.dataset import Dataset
from litho.training.data.sources import load


@pytest.mark.slow
def test_digits_come_in_the_size_that_is_asked_for() -> None:
    usual, asked = load("digits"), load("digits", resolution=16, channels=3)
    assert usual.picture == (32, 32, 1)
    assert asked.picture == (16, 16, 3)
    assert (asked.images[..., 0] == asked.images[..., 2]).all()
    np.testing.assert_array_equal(usual.labels, asked.labels)


@pytest.mark.slow
def test_scans_and_labels_are_those_of_scikit_learn() -> None:
    """At the size of the scans and their margin nothing is interpolated."""
    from sklearn.datasets import load_digits

    theirs, ours = load_digits(), load("digits", resolution=10)
    np.testing.assert_array_equal(
        ours.images[:, 1:-1, 1:-1, 0], np.round(theirs.images * np.float32(255 / 16))
    )
    np.testing.assert_array_equal(ours.labels, theirs.target)
    assert ours.class_names == tuple(str(name) for name in theirs.target_names)


def test_digits_are_all_scans_at_32_pixels_over_the_whole_range(digits: Dataset) -> None:
    assert digits.images.shape == (1797, 32, 32, 1)
    assert digits.images.dtype == np.uint8
    assert (digits.images.min(), digits.images.max()) == (0, 255)
    assert digits.picture == (32, 32, 1)
    assert digits.class_names == tuple("0123456789")
    assert np.bincount(digits.labels).min() > 150
