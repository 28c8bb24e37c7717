"""Figures of a generator's pictures beside real ones, in plain pixel space: quick, and without any trained judge."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..signature import Role
from .data import Dataset
from .picture import Picture

__all__ = ["class_diversity", "diversity", "label_agreement", "quality"]

PICTURES = 1_000
BATCH = 50
NEIGHBOURS = 3


def quality(picture: Picture, dataset: Dataset, device: torch.device | str = "cpu") -> dict[str, float]:
    """What a thousand pictures show: `label_agreement` where there are labels, and `diversity`.

    Args:
        picture: seed[, label] -> pixels.
        dataset: real images, those that it was trained on.
        device: that the picture's module is on.
    """
    inputs = picture.signature.example(PICTURES)
    with torch.inference_mode():
        images = np.concatenate(
            [
                picture(
                    *(torch.from_numpy(value[start : start + BATCH]).to(device) for value in inputs.values())
                )
                .cpu()
                .numpy()
                for start in range(0, PICTURES, BATCH)
            ]
        )
    label = picture.signature.field(Role.LABEL)
    if label is None or dataset.labels is None:
        return {"diversity": round(diversity(images, dataset.images), 4)}
    asked = inputs[label.name]
    return {
        "label_agreement": label_agreement(images, asked, dataset),
        "diversity": round(class_diversity(images, asked, dataset), 4),
    }


def label_agreement(images: NDArray[np.uint8], labels: NDArray[np.int64], dataset: Dataset) -> float:
    """Share of pictures for which most of the 3 nearest real images are of the class that was asked for.

    Args:
        images: UINT8 of shape (count, height, width, channels).
        labels: INT64 of shape (count,), what was asked for.
        dataset: real images with their labels.
    """
    assert dataset.labels is not None
    distances = torch.cdist(_flat(images), _flat(dataset.images))
    nearest = distances.topk(NEIGHBOURS, largest=False).indices
    # Among three different classes the mode is the smallest number: a tie counts as wrong more often than right.
    votes = torch.mode(torch.from_numpy(dataset.labels)[nearest], 1).values
    return int((votes == torch.from_numpy(labels)).sum()) / len(labels)


def class_diversity(images: NDArray[np.uint8], labels: NDArray[np.int64], dataset: Dataset) -> float:
    """Mean over the classes of the `diversity` inside each.

    Args:
        images: UINT8 of shape (count, height, width, channels).
        labels: INT64 of shape (count,), what was asked for.
        dataset: real images with their labels.
    """
    classes = [
        diversity(images[labels == number], dataset.images[dataset.labels == number])
        for number in np.unique(labels)
    ]
    return float(np.mean(classes))


def diversity(images: NDArray[np.uint8], real: NDArray[np.uint8]) -> float:
    """Mean distance between two pictures as a share of that between two real ones: 0 when all are the same.

    Args:
        images, real: UINT8 of shape (count, height, width, channels); at most the first thousand are compared.
    """
    made, drawn = (torch.pdist(_flat(some[:PICTURES])).mean() for some in (images, real))
    return float(made / drawn)


def _flat(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(images).float().flatten(1)
