"""The interface between the training loop and a family's losses."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import torch
from torch import Tensor, nn

from ...errors import UsageError
from ..data.dataset import Batch, Dataset
from ..networks.generator import Generator
from ..randomness import Draw
from ..recipe import Recipe

__all__ = ["GeneratorTask", "LossStep", "Task", "build_network"]

_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True)
class LossStep:
    """A loss and the optimizer that minimises it next.

    Args:
        optimizer: its name in `Task.optimizers`.
        loss: FP32 scalar, a mean over images.
        statistics: further scalars to record, means over images as well.
    """

    optimizer: str
    loss: Tensor
    statistics: Mapping[str, Tensor] | None = None


class Task(nn.Module, ABC):
    """A generator in training, with everything its training needs; the state dict holds all of its state.

    A subclass holds the generator as `generator`.

    Attributes:
        keeps_activations: whether a loss may use activations of the one before it; False if the batch is computed in
            parts to save memory, and then a task that can make them again does so.
    """

    generator: Generator
    keeps_activations: bool = True

    @classmethod
    @abstractmethod
    def build(cls, recipe: Any, dataset: Dataset) -> Task:
        """Build the task of a recipe for a dataset; initial weights come from torch's global generator.

        Raises:
            UsageError: the recipe does not fit the dataset.
        """

    @abstractmethod
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Name -> optimizer; each parameter belongs to at most one."""

    @abstractmethod
    def losses(self, batch: Batch, draw: Draw) -> Iterator[LossStep]:
        """The losses of one training step; each is applied before the next is computed.

        Args:
            batch: real images of this process.
            draw: the only source of randomness.
        """

    def adapt(self, statistics: Mapping[str, float]) -> None:
        """Adapt to the mean statistics of a step, after it; by default nothing changes."""


class GeneratorTask(Task):
    """A task with no other network than the generator, which one Adam trains.

    Args:
        recipe: of the training, with `lr`, `beta1` and `beta2`.
        generator: to train.

    Attributes:
        network: class of the generator.
        optimizer: name of the optimizer.
    """

    network: ClassVar[type[Generator]]
    optimizer: ClassVar[str] = "generator"

    def __init__(self, recipe: Any, generator: Generator) -> None:
        super().__init__()
        self.recipe, self.generator = recipe, generator

    @classmethod
    def build(cls, recipe: Any, dataset: Dataset) -> Self:
        """Build the network of a recipe for a dataset of square images; labels are ignored."""
        return cls(recipe, build_network(cls.network, recipe, dataset))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One Adam."""
        betas = (self.recipe.beta1, self.recipe.beta2)
        return {
            self.optimizer: torch.optim.Adam(self.generator.parameters(), self.recipe.lr, betas, fused=True)
        }


def build_network(kind: type[_Network], recipe: Recipe, dataset: Dataset, **arguments: Any) -> _Network:
    """A new network for square images as large as those of a dataset.

    Args:
        kind: class of the network.
        recipe: its keys are the arguments of the same names.
        dataset: the training data.
        arguments: those that have other names or values than keys of the recipe.

    Raises:
        UsageError: the images are not square, or the network does not take a value.
    """
    height, width, channels = dataset.picture
    if height != width:
        raise UsageError(
            f"data {dataset.name!r} has {height}x{width} images; family {recipe.family!r} needs square ones"
        )
    known = {**dict(recipe), "resolution": height, "channels": channels, **arguments}
    return kind(**{name: known[name] for name in inspect.signature(kind).parameters})
