"""Batches of a dataset in memory, in shares."""

from __future__ import annotations

import torch

from litho.training.data.batches import Share
from litho.training.data.dataset import Dataset
from litho.training.randomness import batch_indices


def test_shares_of_a_batch_are_the_batch(digits: Dataset) -> None:
    parts = [slice(0, 12), slice(12, 24)]
    whole, first, second = (digits.batches(Share(3, 24, part)).at(5) for part in (slice(None), *parts))
    assert torch.equal(torch.cat((first.images, second.images)), whole.images)
    assert whole.labels is not None
    assert digits.labels is not None
    assert whole.labels.tolist() == digits.labels[batch_indices(3, 5, 24, len(digits))].tolist()


def test_a_dataset_in_memory_counts_its_own_pictures(digits: Dataset) -> None:
    assert digits.count == len(digits)
    assert digits.stream is None
    digits.batches(Share(0, 8, slice(None))).close()
