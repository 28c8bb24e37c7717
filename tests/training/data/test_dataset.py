import numpy as np
import pytest
import torch

from litho.errors import UnknownName
from litho.training.data import sources as data
from litho.training.data.dataset import Dataset


def test_the_split_is_the_same_every_time_and_shares_no_image(digits: Dataset) -> None:
    train, test = digits.split()
    again, _ = data.load("digits").split()
    assert len(train) + len(test) == len(digits)
    assert len(test) == round(0.2 * len(digits))
    assert train.sha256() == again.sha256() != test.sha256()
    both = {image.tobytes() for image in train.images} | {image.tobytes() for image in test.images}
    assert both == {image.tobytes() for image in digits.images}


def test_the_hash_covers_images_and_labels(digits: Dataset) -> None:
    first = digits.select(np.arange(4))
    assert first.sha256() != Dataset("digits", "", first.images).sha256()
    assert first.sha256() != digits.select(np.array([0, 1, 3, 2])).sha256()


def test_a_batch_holds_the_asked_images_between_minus_one_and_one(digits: Dataset) -> None:
    indices = np.array([5, 0, 5])
    batch = digits.batch(indices)
    assert batch.images.shape == (3, 1, 32, 32)
    assert batch.images.dtype == torch.float32
    restored = ((batch.images + 1) * 127.5).round().permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(restored, digits.images[indices])
    np.testing.assert_array_equal(batch.labels.numpy(), digits.labels[indices])


def test_unknown_data_names_the_known() -> None:
    with pytest.raises(UnknownName, match=r"unknown data 'digit'; did you mean 'digits'\?"):
        data.load("digit")
