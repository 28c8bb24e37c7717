"""Batches of a training: what a step gets, and where the pictures of each step come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["Batch", "Batches", "PictureStream", "Share"]


@dataclass(frozen=True)
class Batch:
    """Images of one training step, on the training device.

    Args:
        images: FP32 of shape (batch, channels, height, width) in [-1, 1].
        labels: INT64 of shape (batch,); None if the data has none.
        sources: source images of paired data, like `images`; None if the data has none.
        captions: text per image, "" for an image without one; None if the data has none.
    """

    images: Tensor
    labels: Tensor | None = None
    sources: Tensor | None = None
    captions: tuple[str, ...] | None = None

    def part(self, rows: slice) -> Batch:
        """Some of the images, with their labels, captions and sources."""
        return Batch(
            images=self.images[rows],
            labels=None if self.labels is None else self.labels[rows],
            sources=None if self.sources is None else self.sources[rows],
            captions=None if self.captions is None else self.captions[rows],
        )


@dataclass(frozen=True)
class Share:
    """The pictures that one process of a training asks for.

    Args:
        seed: of the training.
        batch: images of a step over all processes.
        part: this process's share of the global batch.
        device: of the results.
        shuffle_nimg: pictures of a stream that are shuffled together.
    """

    seed: int
    batch: int
    part: slice
    device: torch.device | str = "cpu"
    shuffle_nimg: int = 8_192


class Batches(ABC):
    """The batches of a training, each a function of the data, the share and the number of the step."""

    @abstractmethod
    def at(self, step: int) -> Batch:
        """The pictures of a step, counted from 0; any step may be asked for, the next one is the fastest.

        Raises:
            DataError: a picture cannot be read, or the data has changed.
            StorageError: the data cannot be reached.
        """

    @abstractmethod
    def close(self) -> None:
        """End what reads ahead."""


class PictureStream(ABC):
    """Training pictures that are read while they are used.

    Attributes:
        count: pictures in all.
    """

    count: int

    @abstractmethod
    def sha256(self) -> str:
        """Hash of what the stream holds, 64 hexadecimal digits."""

    @abstractmethod
    def batches(self, share: Share) -> Batches:
        """The batches of a training.

        Raises:
            UsageError: the share needs more memory than this machine has.
        """

    @abstractmethod
    def check_unchanged(self, run: Path) -> None:
        """Check that the stream holds what it held when the run was started; the first call records it in the run.

        Raises:
            CheckpointError: it differs, and the message names the first difference.
        """
