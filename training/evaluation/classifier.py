"""A small convolutional image classifier and its training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ...errors import EvaluationError
from ..data.dataset import Dataset
from ..data.pixels import from_levels
from ..randomness import batch_indices, first_weights_seed

__all__ = [
    "FEATURES",
    "Classifier",
    "ClassifierOutput",
    "classes_of",
    "classify",
    "stacked_digits",
    "train_classifier",
]

FEATURES = 128
"""Length of the feature vector."""

PASSES = 6
LEAST_NIMG, MOST_NIMG = 20_000, 400_000
"""Smallest and largest number of images to train on, for any size of the data."""

BATCH = 128
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 1e-2
PICTURES_AT_ONCE = 500
TURNS = 4

RECIPE: dict[str, float] = {
    "version": 1,
    "passes": PASSES,
    "least_nimg": LEAST_NIMG,
    "most_nimg": MOST_NIMG,
    "batch": BATCH,
    "learning_rate": LEARNING_RATE,
    "weight_decay": WEIGHT_DECAY,
}
"""Everything but the data that decides the weights; the version counts changes of network and training."""


class Classifier(nn.Module):
    """Three convolutional layers, a hidden layer of `FEATURES`, and the classes.

    The features of each picture are normalised to mean 0 and variance 1. This bounds the distance of two pictures to
    2 sqrt(FEATURES), also for noise, which the net was not trained on.

    Args:
        channels: of the pictures.
        classes: number of classes.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.channels, self.classes = channels, classes
        self.body = nn.Sequential(
            *_layer(channels, 32), nn.MaxPool2d(2), *_layer(32, 64), nn.MaxPool2d(2), *_layer(64, 128),
            nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128 * 16, FEATURES),
            nn.LayerNorm(FEATURES, elementwise_affine=False),
        )  # fmt: skip
        self.head = nn.Linear(FEATURES, classes)
        for weight in self.parameters():
            if weight.ndim == 4:  # CPUs convolve and pool colour pictures in half the time in this layout
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)

    def features(self, images: Tensor) -> Tensor:
        """FP32 (batch, channels, height, width) in [-1, 1], at least 4x4 -> FP32 (batch, FEATURES)."""
        return self.body(images)

    def logits(self, features: Tensor) -> Tensor:
        """FP32 (batch, FEATURES) -> FP32 (batch, classes)."""
        return self.head(torch.relu(features))

    def forward(self, images: Tensor) -> Tensor:
        """FP32 (batch, channels, height, width) in [-1, 1] -> logits, FP32 (batch, classes)."""
        return self.logits(self.features(images))


@dataclass(frozen=True)
class ClassifierOutput:
    """Features and predicted classes of pictures.

    Args:
        features: FP64 of shape (count, features), on the CPU.
        predicted: most likely class, INT64 of shape (count,); if the channels are classified one by one, the number
            with these classes as digits.
    """

    features: Tensor
    predicted: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.features)

    def select(self, indices: NDArray[np.int64]) -> ClassifierOutput:
        """The pictures at `indices`, INT64 of shape (count,)."""
        return ClassifierOutput(self.features[torch.from_numpy(indices)], self.predicted[indices])

    def accuracy(self, labels: NDArray[np.int64]) -> float:
        """Share of pictures whose predicted class equals `labels`, INT64 of shape (count,)."""
        return float((self.predicted == labels).mean())


def classes_of(dataset: Dataset) -> int | None:
    """Number of classes of a dataset; None without labels, or if all labels are equal."""
    if dataset.labels is None:
        return None
    classes = max(len(dataset.class_names), int(dataset.labels.max()) + 1)
    return classes if classes > 1 else None


def stacked_digits(dataset: Dataset) -> Dataset | None:
    """The digits of a Stacked MNIST as grey pictures of ten classes; None for any other dataset.

    Its 1,000 classes are three digits in red, green and blue, which are classified one by one (Metz et al. 2017). The
    classifier is trained on the red channel: all channels draw from the same digits.
    """
    if dataset.labels is None or dataset.class_names != tuple(f"{number:03}" for number in range(1000)):
        return None
    names = tuple(str(digit) for digit in range(10))
    return Dataset(dataset.name, dataset.licence, dataset.images[..., :1], dataset.labels // 100, names)


def train_classifier(
    dataset: Dataset, *, device: str = "cpu", progress: Callable[[float], None] | None = None
) -> Classifier:
    """Train a classifier by `RECIPE`; the same data gives the same weights on the CPU of one machine.

    Without at least two classes it learns to predict quarter turns of the pictures (Gidaris et al. 2018).

    Args:
        dataset: images; square if there are no labels.
        device: "cpu" or "cuda".
        progress: called with the share done, 0 to 1.

    Returns:
        The classifier in eval mode.

    Raises:
        EvaluationError: the images cannot be classified, or training diverged.
    """
    classes = classes_of(dataset)
    net = _untrained(dataset, classes or TURNS).to(device).train()
    batch = min(BATCH, len(dataset))
    steps = min(max(PASSES * len(dataset), LEAST_NIMG), MOST_NIMG) // batch
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=WEIGHT_DECAY, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for step in range(steps):
        images, labels = _batch(dataset, step, batch, device, turned=classes is None)
        loss = cross_entropy(net(images), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress is not None and step % 20 == 0:
            progress(step / steps)
    if not all(torch.isfinite(weight).all() for weight in net.state_dict().values()):
        raise EvaluationError(
            f"the feature net of data {dataset.name!r} diverged: a weight is NaN or infinite"
        )
    return net.eval().requires_grad_(False)


def classify(net: Classifier, images: NDArray[np.uint8], device: str = "cpu") -> ClassifierOutput:
    """Features and classes of pictures; a net of one channel classifies the channels of RGB pictures one by one.

    Args:
        net: in eval mode.
        images: UINT8 of shape (count, height, width, channels), 0 to 255.
        device: of the net.

    Raises:
        EvaluationError: the channels do not fit the net, or a feature is NaN or infinite.
    """
    count, height, width, channels = images.shape
    if count == 0 or (channels != net.channels and net.channels != 1):
        raise EvaluationError(
            f"pictures of shape {images.shape} cannot be classified; the feature net takes {net.channels} channels"
        )
    seen = channels // net.channels
    # Each channel becomes a picture; the channels of one picture stay together.
    flat = images.transpose(0, 3, 1, 2).reshape(count * seen, net.channels, height, width)
    features, predicted = [], []
    with torch.inference_mode():
        for part in torch.from_numpy(np.ascontiguousarray(flat)).split(PICTURES_AT_ONCE):
            found = net.features(from_levels(part.to(device)))
            features.append(found.double().cpu())
            predicted.append(net.logits(found).argmax(1).cpu())
    combined = torch.cat(features).view(count, seen * FEATURES)
    if not torch.isfinite(combined).all():
        raise EvaluationError("a feature of a picture is NaN or infinite; the feature net is damaged")
    digits = torch.cat(predicted).view(count, seen).numpy()
    powers = net.classes ** np.arange(seen)[::-1]
    return ClassifierOutput(combined, digits @ powers)


def _untrained(dataset: Dataset, classes: int) -> Classifier:
    height, width, channels = dataset.picture
    if min(height, width) < 4 or (classes_of(dataset) is None and height != width) or len(dataset) < 2:
        raise EvaluationError(
            f"data {dataset.name!r} has {len(dataset)} images of {height}x{width} pixels; a feature net needs at"
            " least two of at least 4x4, and square ones if there are no labels"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(first_weights_seed(0))
        return Classifier(channels, classes)


def _turned(images: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate each quarter of a batch by 0 to 3 quarter turns. Returns images and turns, INT64 of shape (batch,)."""
    parts = images.tensor_split(TURNS)
    labels = [torch.full((len(part),), turns) for turns, part in enumerate(parts)]
    return torch.cat([part.rot90(turns, (2, 3)) for turns, part in enumerate(parts)]), torch.cat(labels)


def _batch(dataset: Dataset, step: int, batch: int, device: str, *, turned: bool) -> tuple[Tensor, Tensor]:
    real = dataset.batch(batch_indices(0, step, batch, len(dataset)), device)
    if not turned:
        assert real.labels is not None
        return real.images, real.labels
    images, labels = _turned(real.images)
    return images, labels.to(device)


def _layer(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
