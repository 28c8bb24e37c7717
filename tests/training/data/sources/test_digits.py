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


def test_digits_are_all_scans_at_32_pixels_over_the_whole_range(digits: Dataset) -> None:
    assert digits.images.shape == (1797, 32, 32, 1)
    assert digits.images.dtype == np.uint8
    assert (digits.images.min(), digits.images.max()) == (0, 255)
    assert digits.picture == (32, 32, 1)
    assert digits.class_names == tuple("0123456789")
    assert np.bincount(digits.labels).min() > 150
