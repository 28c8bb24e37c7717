"""Datasets in memory: images with labels, captions and source images; of a stream, a sample of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..randomness import batch_indices
from .batches import Batch, Batches, PictureStream, Share
from .pixels import from_pixels

__all__ = ["Batch", "Dataset"]

TEST_SHARE = 0.2


@dataclass(frozen=True)
class Dataset:
    """Images in memory.

    Args:
        name: the value of `--data`.
        licence: SPDX identifier of the images, or another name.
        images: UINT8 of shape (count, height, width, channels).
        labels: INT64 of shape (count,), or None.
        class_names: of the labels, in order; empty without labels.
        captions: text per image in any script, "" for an image without one; None if the data has none.
        sources: source images of paired data, UINT8 of shape (count, height, width, channels).
        test: the source's own test part, not among `images`; None if `split` has to hold one out.
        notes: messages to show before training.
        stream: what the training reads; `images` is then a sample of its pictures. None if `images` are all.
    """

    name: str
    licence: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None
    class_names: tuple[str, ...] = ()
    captions: tuple[str, ...] | None = None
    sources: NDArray[np.uint8] | None = None
    test: Dataset | None = None
    notes: tuple[str, ...] = ()
    stream: PictureStream | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def picture(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    @property
    def count(self) -> int:
        """Number of training pictures, those of a stream included."""
        return len(self) if self.stream is None else self.stream.count

    def sha256(self) -> str:
        """Hash of all training and test data, 64 hexadecimal digits; of a stream, of what it is known by."""
        if self.stream is not None:
            return self.stream.sha256()
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        if self.captions is not None:
            digest.update("\0".join(self.captions).encode())
        if self.sources is not None:
            digest.update(np.ascontiguousarray(self.sources).data)
        if self.test is not None:
            digest.update(self.test.sha256().encode())
        return digest.hexdigest()

    def split(self) -> tuple[Dataset, Dataset]:
        """Training and test part: the source's own, else a random fifth for the test.

        The split is the same at every call and on every machine; with two or more images neither part is empty.
        """
        if self.test is not None:
            return replace(self, test=None), self.test
        order = np.random.default_rng(0).permutation(len(self))
        held_out = max(1, round(len(self) * TEST_SHARE))
        return self.select(np.sort(order[held_out:])), self.select(np.sort(order[:held_out]))

    def batches(self, share: Share) -> Batches:
        """The batches of a training: every picture once per pass, each pass in its own order."""
        return _InMemory(self, share) if self.stream is None else self.stream.batches(share)

    def select(self, indices: NDArray[np.int64]) -> Dataset:
        """The images at `indices`, INT64 of shape (count,), with their labels, captions and sources."""
        return replace(
            self,
            stream=None,
            images=self.images[indices],
            labels=None if self.labels is None else self.labels[indices],
            captions=None if self.captions is None else tuple(self.captions[index] for index in indices),
            sources=None if self.sources is None else self.sources[indices],
        )

    def batch(self, indices: NDArray[np.int64], device: torch.device | str = "cpu") -> Batch:
        """The images at `indices` with their labels, captions and sources, as a batch on `device`."""
        return Batch(
            images=_floats(self.images[indices], device),
            labels=None if self.labels is None else torch.from_numpy(self.labels[indices]).to(device),
            sources=None if self.sources is None else _floats(self.sources[indices], device),
            captions=None if self.captions is None else tuple(self.captions[index] for index in indices),
        )


class _InMemory(Batches):
    """Batches of a dataset that is in memory."""

    def __init__(self, dataset: Dataset, share: Share) -> None:
        self._dataset, self._share = dataset, share

    def at(self, step: int) -> Batch:
        share = self._share
        indices = batch_indices(share.seed, step, share.batch, len(self._dataset))
        return self._dataset.batch(indices[share.part], share.device)

    def close(self) -> None:
        pass


def _floats(images: NDArray[np.uint8], device: torch.device | str) -> Tensor:
    return from_pixels(torch.from_numpy(images).to(device))
