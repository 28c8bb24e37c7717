"""Figures of a generator's pictures beside real ones, in plain pixel space: quick, and without any trained judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ..signature import Role, Signature
from .data import Dataset
from .picture import Picture, as_taken

__all__ = [
    "Drawn",
    "class_diversity",
    "diversity",
    "drawn",
    "label_agreement",
    "pixel_distance",
    "quality",
    "with_captions",
]

PICTURES = 1_000
BATCH = 50
NEIGHBOURS = 3
SIDE = 8


def quality(picture: Picture, dataset: Dataset, device: torch.device | str = "cpu") -> dict[str, float]:
    """What a thousand pictures show: `label_agreement` where there are labels, and `diversity`.

    Args:
        picture: seed[, label] -> pixels.
        dataset: real images, those that it was trained on.
        device: that the picture's module is on.
    """
    made = drawn(picture, device, dataset.captions)
    figures = {"diversity": round(made.diversity(dataset), 4)}
    if made.labels is None or dataset.labels is None:
        return figures
    return {"label_agreement": label_agreement(made.images, made.labels, dataset), **figures}


@dataclass(frozen=True)
class Drawn:
    """Pictures of a generator.

    Args:
        images: UINT8 of shape (count, height, width, channels).
        labels: what was asked for, INT64 of shape (count,); None where the generator takes none.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None

    def diversity(self, dataset: Dataset) -> float:
        """`class_diversity` where there are labels, else `diversity`."""
        if self.labels is None or dataset.labels is None:
            return diversity(self.images, dataset.images)
        return class_diversity(self.images, self.labels, dataset)


def drawn(
    picture: Picture, device: torch.device | str = "cpu", captions: Sequence[str] | None = None
) -> Drawn:
    """A thousand pictures from the same inputs every time (`Signature.example`); of many steps so many times fewer.

    Args:
        picture: its inputs -> pixels.
        device: that its module is on.
        captions: what prompts are taken from, evenly.
    """
    steps = picture.signature.field(Role.STEPS)
    count = PICTURES if steps is None else PICTURES // int(steps.default or 1)
    inputs = with_captions(picture.signature.example(count), picture.signature, captions)
    with torch.inference_mode():
        parts = [
            picture(*as_taken((value[start : start + BATCH] for value in inputs.values()), device))
            for start in range(0, count, BATCH)
        ]
    label = picture.signature.field(Role.LABEL)
    return Drawn(torch.cat(parts).cpu().numpy(), None if label is None else inputs[label.name])


def with_captions(
    inputs: dict[str, NDArray[Any]], signature: Signature, captions: Sequence[str] | None
) -> dict[str, NDArray[Any]]:
    """The inputs with captions, evenly from all of them, for prompts; as they are where there are no captions."""
    prompt = signature.field(Role.PROMPT)
    if prompt is None or not captions:
        return inputs
    chosen = np.linspace(0, len(captions) - 1, len(inputs[prompt.name])).round().astype(int)
    return {**inputs, prompt.name: np.array([captions[index] for index in chosen], object)}


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


def pixel_distance(images: NDArray[np.uint8], real: NDArray[np.uint8]) -> float:
    """The Frechet distance of pictures in their pixels, averaged down to 8x8: quick, and blind to all that is finer.

    Args:
        images, real: UINT8 of shape (count, height, width, channels), 2 or more; at most the first thousand are
            compared.

    Returns:
        In squared grey levels of [0, 1]: 0 where mean and covariance are the same.
    """
    # The distances build on this package.
    from .evaluation.distance import frechet_distance

    return frechet_distance(_small(real[:PICTURES]), _small(images[:PICTURES]))


def _small(images: NDArray[np.uint8]) -> Tensor:
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).double() / 255
    return adaptive_avg_pool2d(pixels, SIDE).flatten(1)


def _flat(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(images).float().flatten(1)
