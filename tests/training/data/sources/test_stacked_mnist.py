"""Three digits in the colour channels of one picture, from an MNIST that lies anywhere."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from litho.errors import DataError, UsageError
from litho.training.data.dataset import Dataset
from litho.training.data.sources import load
from litho.training.data.sources.stacked_mnist import stacked


@pytest.fixture
def digits() -> Dataset:
    """Twenty pictures of ten classes; the grey of a picture is its class."""
    labels = np.arange(20) % 10
    images = np.broadcast_to(labels[:, None, None, None], (20, 5, 5, 1)).astype(np.uint8)
    return Dataset("mnist", "MIT", images, labels, tuple("0123456789"))


def test_the_label_is_read_off_the_channels(digits: Dataset) -> None:
    made = stacked("stacked-mnist", digits, 5_000, seed=0)
    assert made.images.shape == (5_000, 5, 5, 3)
    red, green, blue = made.images[:, 0, 0].astype(int).T
    np.testing.assert_array_equal(made.labels, 100 * red + 10 * green + blue)
    assert made.labels.dtype == np.int64
    assert made.class_names[7] == "007"
    assert len(set(made.labels.tolist())) > 980  # of 1,000 modes; 5,000 draws leave out about 7
    assert abs(np.corrcoef(red, green)[0, 1]) < 0.05


def test_stacking_depends_on_the_seed_alone(digits: Dataset) -> None:
    assert stacked("it", digits, 50, seed=3).sha256() == stacked("it", digits, 50, seed=3).sha256()
    assert stacked("it", digits, 50, seed=3).sha256() != stacked("it", digits, 50, seed=4).sha256()


def test_it_is_made_from_the_mnist_that_is_found(
    tmp_path: Path, paint: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for split, copies in (("train", 2), ("test", 1)):
        for digit in range(10):
            for copy in range(copies):
                file = tmp_path / "shelf" / "mnist" / split / str(digit) / f"{copy}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(paint(digit))
    monkeypatch.setenv("LITHO_DATA", str(tmp_path / "shelf"))
    train, test = load("stacked-mnist", resolution=4).split()
    assert (train.images.shape, test.images.shape) == ((128_000, 4, 4, 3), (25_600, 4, 4, 3))
    assert len(train.class_names) == 1000
    with pytest.raises(UsageError, match="has 3 colour channels"):
        load("stacked-mnist", channels=1)
    shutil.rmtree(tmp_path / "shelf" / "mnist" / "train" / "7")
    shutil.rmtree(tmp_path / "shelf" / "mnist" / "test" / "7")
    with pytest.raises(DataError, match="data 'mnist' has 9 classes; stacking needs ten"):
        load("stacked-mnist")
