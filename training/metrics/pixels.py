"""Figures of a generator's pictures beside real ones, in plain pixel space: quick, and without any trained judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ...signature import Signature
from ...signature.fields import Role
from ..data.dataset import Dataset
from ..networks.image_to_image import source_inputs
from ..networks.pixel_model import PixelModel, model_inputs
from .distance import frechet_distance

__all__ = [
    "Samples",
    "class_diversity",
    "diversity",
    "draw_samples",
    "fill_prompts",
    "label_agreement",
    "pixel_distance",
    "quality",
    "translate_sources",
]

PICTURES = 1_000
BATCH = 50
NEIGHBOURS = 3
SIDE = 8


def quality(
    picture: PixelModel,
    dataset: Dataset,
    device: torch.device | str = "cpu",
    held_out: Dataset | None = None,
) -> dict[str, float]:
    """What a thousand pictures show: `label_agreement` where there are labels, and `diversity`.

    Of pictures that are made from pictures: `l1`, the mean absolute difference to what was wanted as a share of the
    pixels' range, on held-out images where there are some.

    Args:
        picture: seed[, label] -> pixels.
        dataset: real images, those that it was trained on.
        device: that the picture's module is on.
        held_out: real images that it was not trained on.
    """
    if picture.signature.field(Role.IMAGE) is not None:
        asked = held_out or dataset
        asked = asked.select(np.arange(min(PICTURES, len(asked))))
        _, pictures = translate_sources(picture, asked, device)
        return {"l1": round(float(np.abs(pictures.astype(np.int16) - asked.images).mean() / 255), 4)}
    made = draw_samples(picture, device, dataset.captions)
    figures = {"diversity": round(made.diversity(dataset), 4)}
    if made.labels is None or dataset.labels is None:
        return figures
    return {"label_agreement": label_agreement(made.images, made.labels, dataset), **figures}


@dataclass(frozen=True)
class Samples:
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


def draw_samples(
    picture: PixelModel, device: torch.device | str = "cpu", captions: Sequence[str] | None = None
) -> Samples:
    """A thousand pictures from the same inputs every time (`Signature.example`); of many steps so many times fewer.

    Args:
        picture: its inputs -> pixels.
        device: that its module is on.
        captions: what prompts are taken from, evenly.
    """
    steps = picture.signature.field(Role.STEPS)
    count = PICTURES if steps is None else PICTURES // int(steps.default or 1)
    inputs = fill_prompts(picture.signature.example(count), picture.signature, captions)
    label = picture.signature.field(Role.LABEL)
    return Samples(_made(picture, inputs, device), None if label is None else inputs[label.name])


def translate_sources(
    picture: PixelModel, dataset: Dataset, device: torch.device | str = "cpu"
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The sources from which a dataset's images are to be made, and what is made of them, with seeds from 0.

    Args:
        picture: source[, mask][, seed] -> pixels.
        dataset: images, with sources unless the generator makes them (`translation.source_inputs`).
        device: that the picture's module is on.

    Returns:
        Both UINT8 of shape (count, height, width, channels), the sources of their own height and width.
    """
    tasks = source_inputs(picture.generator, picture.signature, dataset)
    source = picture.signature.field(Role.IMAGE)
    assert tasks is not None, "no family trains without knowing what it is to make"
    assert source is not None
    inputs = {**picture.signature.example(len(dataset)), **tasks}
    if (seed := picture.signature.field(Role.SEED)) is not None:
        inputs[seed.name] = np.arange(len(dataset), dtype=np.int64)
    return tasks[source.name], _made(picture, inputs, device)


def _made(
    picture: PixelModel, inputs: Mapping[str, NDArray[Any]], device: torch.device | str
) -> NDArray[np.uint8]:
    count = len(next(iter(inputs.values())))
    with torch.inference_mode():
        parts = [
            picture(*model_inputs((value[start : start + BATCH] for value in inputs.values()), device))
            for start in range(0, count, BATCH)
        ]
    return torch.cat(parts).cpu().numpy()


def fill_prompts(
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
    return frechet_distance(_small(real[:PICTURES]), _small(images[:PICTURES]))


def _small(images: NDArray[np.uint8]) -> Tensor:
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).double() / 255
    return adaptive_avg_pool2d(pixels, SIDE).flatten(1)


def _flat(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(images).float().flatten(1)
