"""The feature net of a data set: trained once, cached for the user, and used to evaluate all generators of that data.

A cached net has two files, `<name>-<key>.safetensors` and `.json`; the key is a hash of the data and the recipe. A
damaged net is trained again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save

from ...bundle.json_documents import read_as
from ...errors import BundleError
from ...files import ordinary_file, sha256, write_bytes
from ..cache import cache_folder, writable_cache
from ..data.dataset import Dataset
from .classifier import (
    RECIPE,
    TURNS,
    Classifier,
    ClassifierOutput,
    classes_of,
    classify,
    stacked_digits,
    train_classifier,
)
from .document import SCHEMA_VERSION, FeatureNetInfo

__all__ = ["FOLDER", "FeatureNet", "cached_net", "feature_net"]

FOLDER = "feature-nets"
"""Of the cached nets, in the cache."""

KEY_DIGITS = 16


@dataclass(frozen=True)
class FeatureNet:
    """A trained classifier with its description.

    Args:
        classifier: in eval mode, on `device`.
        info: its data, recipe and accuracy.
        device: "cpu" or "cuda".
    """

    classifier: Classifier
    info: FeatureNetInfo
    device: str

    def classify(self, images: NDArray[np.uint8]) -> ClassifierOutput:
        """Features and classes of pictures, UINT8 of shape (count, height, width, channels)."""
        return classify(self.classifier, images, self.device)


def feature_net(
    train: Dataset, test: Dataset, *, device: str = "cpu", progress: Callable[[float], None] | None = None
) -> FeatureNet:
    """The feature net of a data set, from the cache or newly trained.

    Args:
        train: images to train on; without labels the net learns quarter turns, on stacked digits single digits.
        test: images to measure its accuracy on.
        device: "cpu" or "cuda".
        progress: called with the share of the training done, 0 to 1.

    Raises:
        UsageError: a net must be trained, and nothing may be written to the cache.
        EvaluationError: the images cannot be classified.
    """
    data_sha256 = hashlib.sha256(f"{train.sha256()} {test.sha256()}".encode()).hexdigest()
    key = hashlib.sha256(json.dumps([data_sha256, RECIPE], sort_keys=True).encode()).hexdigest()[:KEY_DIGITS]
    stem = f"{_short_name(train.name)}-{key}"
    cached = _read(cache_folder(FOLDER), stem)
    if cached is None:
        folder = writable_cache(FOLDER)
        digits = stacked_digits(train)
        classifier = train_classifier(digits or train, device=device, progress=progress)
        _write(folder, stem, classifier, _info(classifier, train, test, data_sha256, device))
        cached = _read(folder, stem)
        assert cached is not None, "the net was written just now"
    classifier, info = cached
    return FeatureNet(classifier.to(device), info, device)


def cached_net(data: str, picture: tuple[int, ...]) -> FeatureNet | None:
    """The feature net of some data from the cache, on the CPU; None if there is none or it is damaged.

    Args:
        data: the value of `--data` that the net was trained with.
        picture: height, width and channels of the pictures.
    """
    for file in sorted(cache_folder(FOLDER).glob(f"{_short_name(data)}-*.json")):
        cached = _read(file.parent, file.stem)
        if cached is not None and cached[1].data == data and cached[1].picture == tuple(picture):
            return FeatureNet(*cached, "cpu")
    return None


def _info(
    classifier: Classifier, train: Dataset, test: Dataset, data_sha256: str, device: str
) -> FeatureNetInfo:
    task = "turns" if classes_of(train) is None else "channels" if stacked_digits(train) else "classes"
    images, labels = _turns(test) if task == "turns" else (test.images, test.labels)
    assert labels is not None
    return FeatureNetInfo(
        name=_short_name(train.name),
        data=train.name,
        data_sha256=data_sha256,
        task=task,
        picture=train.picture,
        classes=classifier.classes,
        recipe=RECIPE,
        accuracy=classify(classifier, images, device).accuracy(labels),
        test_count=len(images),
        weights_sha256="0" * 64,
        torch=torch.__version__,
    )


def _turns(test: Dataset) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images = [np.rot90(test.images, turns, (1, 2)) for turns in range(TURNS)]
    return np.concatenate(images), np.repeat(np.arange(TURNS), len(test))


def _short_name(name: str) -> str:
    last = Path(name).name.removesuffix(".parquet")
    return re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-") or "data"


def _write(folder: Path, stem: str, classifier: Classifier, info: FeatureNetInfo) -> None:
    weights = {name: tensor.cpu().contiguous() for name, tensor in classifier.state_dict().items()}
    content = save(weights)
    hashed = info.model_copy(update={"weights_sha256": hashlib.sha256(content).hexdigest()})
    write_bytes(folder / f"{stem}.safetensors", content)
    write_bytes(folder / f"{stem}.json", hashed.model_dump_json(indent=2) + "\n")


def _read(folder: Path, stem: str) -> tuple[Classifier, FeatureNetInfo] | None:
    """Read a cached net; None if there is none or it is damaged."""
    try:
        info = read_as(FeatureNetInfo, "a feature net", folder, f"{stem}.json", SCHEMA_VERSION)
        file = ordinary_file(folder, f"{stem}.safetensors")
        if sha256(file) != info.weights_sha256:
            return None
        channels = 1 if info.task == "channels" else info.picture[2]
        classifier = Classifier(channels, info.classes)
        classifier.load_state_dict(load(file.read_bytes()))
    except (BundleError, SafetensorError, RuntimeError):
        return None
    return classifier.eval().requires_grad_(False), info
