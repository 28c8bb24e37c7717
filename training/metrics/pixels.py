"""Quick figures in pixel space, without a feature net; measured during training."""

from __future__ import annotations

from collections.abc import Sequence
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
from ..networks.pixel_model import PixelModel
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
    model: PixelModel,
    dataset: Dataset,
    device: torch.device | str = "cpu",
    held_out: Dataset | None = None,
) -> dict[str, float]:
    """Figures of a thousand pictures: `diversity`, and `label_agreement` if there are labels.

    For image-to-image generators `l1` instead: the mean absolute difference to the targets as a share of the pixel
    range, on held-out images if there are any.

    Args:
        model: generator from inputs to pixels.
        dataset: real images that it was trained on.
        device: of the model.
        held_out: real images that it was not trained on.
    """
    if model.signature.field(Role.IMAGE) is not None:
        targets = held_out or dataset
        targets = targets.select(np.arange(min(PICTURES, len(targets))))
        _, outputs = translate_sources(model, targets, device)
        return {"l1": round(float(np.abs(outputs.astype(np.int16) - targets.images).mean() / 255), 4)}
    samples = draw_samples(model, device, dataset.captions)
    figures = {"diversity": round(samples.diversity(dataset), 4)}
    if samples.labels is None or dataset.labels is None:
        return figures
    return {"label_agreement": label_agreement(samples.images, samples.labels, dataset), **figures}


@dataclass(frozen=True)
class Samples:
    """Samples of a generator.

    Args:
        images: UINT8 of shape (count, height, width, channels).
        labels: the requested classes, INT64 of shape (count,); None if the generator has no label.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None

    def diversity(self, dataset: Dataset) -> float:
        """`class_diversity` if there are labels, else `diversity`."""
        if self.labels is None or dataset.labels is None:
            return diversity(self.images, dataset.images)
        return class_diversity(self.images, self.labels, dataset)


def draw_samples(
    model: PixelModel, device: torch.device | str = "cpu", captions: Sequence[str] | None = None
) -> Samples:
    """Draw a thousand samples, always from the same inputs (`Signature.example`); fewer for many sampling steps.

    Args:
        model: generator from inputs to pixels.
        device: of the model.
        captions: source of the prompts, taken at even intervals.
    """
    steps = model.signature.field(Role.STEPS)
    count = PICTURES if steps is None else PICTURES // int(steps.default or 1)
    inputs = fill_prompts(model.signature.example(count), model.signature, captions)
    label = model.signature.field(Role.LABEL)
    return Samples(model.make(inputs, BATCH, device), None if label is None else inputs[label.name])


def translate_sources(
    model: PixelModel, dataset: Dataset, device: torch.device | str = "cpu"
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Run an image-to-image generator on the sources of a dataset, with seeds from 0.

    Args:
        model: generator from source[, mask][, seed] to pixels.
        dataset: target images, with sources unless the generator derives them (`image_to_image.source_inputs`).
        device: of the model.

    Returns:
        Sources and outputs, UINT8 of shape (count, height, width, channels); the sizes may differ.
    """
    conditions = source_inputs(model.generator, model.signature, dataset)
    source = model.signature.field(Role.IMAGE)
    assert conditions is not None, "training required sources"
    assert source is not None
    inputs = {**model.signature.example(len(dataset)), **conditions}
    if (seed := model.signature.field(Role.SEED)) is not None:
        inputs[seed.name] = np.arange(len(dataset), dtype=np.int64)
    return conditions[source.name], model.make(inputs, BATCH, device)


def fill_prompts(
    inputs: dict[str, NDArray[Any]], signature: Signature, captions: Sequence[str] | None
) -> dict[str, NDArray[Any]]:
    """Replace the prompts of inputs by captions, taken at even intervals; without captions nothing changes."""
    prompt = signature.field(Role.PROMPT)
    if prompt is None or not captions:
        return inputs
    chosen = np.linspace(0, len(captions) - 1, len(inputs[prompt.name])).round().astype(int)
    return {**inputs, prompt.name: np.array([captions[index] for index in chosen], object)}


def label_agreement(images: NDArray[np.uint8], labels: NDArray[np.int64], dataset: Dataset) -> float:
    """Share of pictures of which most of the 3 nearest real images have the requested class.

    Args:
        images: UINT8 of shape (count, height, width, channels).
        labels: the requested classes, INT64 of shape (count,).
        dataset: real images with their labels.
    """
    assert dataset.labels is not None
    distances = torch.cdist(_flat(images), _flat(dataset.images))
    nearest = distances.topk(NEIGHBOURS, largest=False).indices
    # A tie of three classes gives the smallest number, which is wrong more often than right.
    votes = torch.mode(torch.from_numpy(dataset.labels)[nearest], 1).values
    return int((votes == torch.from_numpy(labels)).sum()) / len(labels)


def class_diversity(images: NDArray[np.uint8], labels: NDArray[np.int64], dataset: Dataset) -> float:
    """Mean of the `diversity` within each class.

    Args:
        images: UINT8 of shape (count, height, width, channels).
        labels: the requested classes, INT64 of shape (count,).
        dataset: real images with their labels.
    """
    classes = [
        diversity(images[labels == number], dataset.images[dataset.labels == number])
        for number in np.unique(labels)
    ]
    return float(np.mean(classes))


def diversity(images: NDArray[np.uint8], real: NDArray[np.uint8]) -> float:
    """Mean distance between two pictures as a share of that between two real ones; 0 if all are equal.

    Args:
        images, real: UINT8 of shape (count, height, width, channels); at most the first thousand are compared.
    """
    generated, natural = (torch.pdist(_flat(some[:PICTURES])).mean() for some in (images, real))
    return float(generated / natural)


def pixel_distance(images: NDArray[np.uint8], real: NDArray[np.uint8]) -> float:
    """Frechet distance of pictures in their pixels, averaged down to 8x8: quick, and blind to finer detail.

    Args:
        images, real: UINT8 of shape (count, height, width, channels), 2 or more; at most the first thousand are
            compared.

    Returns:
        Squared grey levels of [0, 1]; 0 for equal mean and covariance.
    """
    return frechet_distance(_small(real[:PICTURES]), _small(images[:PICTURES]))


def _small(images: NDArray[np.uint8]) -> Tensor:
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).double() / 255
    return adaptive_avg_pool2d(pixels, SIDE).flatten(1)


def _flat(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(images).float().flatten(1)
