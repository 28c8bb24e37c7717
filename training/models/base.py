"""What a family of generators brings, and how one is found; knows no family by name.

A family is a module of this folder with three classes:

    Recipe      the keys of its training, a subclass of `training.recipe.Recipe`
    Generator   the network that is exported
    Task        the networks and losses that train it

The loop drives a task without knowing what it is: a task names its optimisers, and a step is a sequence of losses,
each to be minimised by one of them before the next is asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import UsageError
from ...plugins import load_plugin, plugin_names
from ...signature import Signature, with_latent
from ..data.dataset import Batch, Dataset
from ..networks.layers import first_side
from ..recipe import Recipe
from ..run.randomness import Draw

__all__ = ["Family", "Generator", "Optimisation", "Task", "family", "family_names"]

_PACKAGE = "litho.training.models"

LEAST_RESOLUTION, MOST_RESOLUTION = 8, 1024


class Generator(nn.Module, ABC):
    """A network that makes pictures, with what is needed to build it again.

    A subclass takes keyword arguments that JSON can hold, each with a default, and raises `ValueError` where they
    make no network; it keeps no tensor outside its state dict. Its `forward` takes the signature's inputs in order,
    where `training.picture.PixelModel` has made of

        the seed    noise, FP32 of shape (batch, latent_size); always first, and absent where latent_size is 0
        an image    FP32 of shape (batch, channels, height, width) in [-1, 1]
        a mask      FP32 of shape (batch, 1, height, width): 1 inside the hole, 0 outside

    and all else comes as it is. It gives FP32 of shape (batch, channels, height, width) in [-1, 1].

    Args:
        architecture: the subclass's keyword arguments.

    Attributes:
        latent_size: values of noise per picture; 0 for a generator that takes no seed.
    """

    latent_size: int

    def __init__(self, **architecture: Any) -> None:
        super().__init__()
        self.architecture = architecture

    @abstractmethod
    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        """What it takes and gives: the seed, if it takes noise, and then the conditions.

        Args:
            class_names: of the labels that it was trained on, in order.
        """

    def sides(self) -> range | None:
        """Heights and widths that a picture to start from may have, both of them from the same range.

        None, where this is not overridden: it has the size that the generator was made for.
        """
        return None

    def forms(self, signature: Signature) -> dict[str, tuple[Generator, Signature]]:
        """What it can be exported as: what the graph is fed, the usual form first -> network and signature.

        Args:
            signature: of the usual form.
        """
        if not self.latent_size:
            return {"image": (self, signature)}
        return {"seed": (self, signature), "latent": (self, with_latent(signature, self.latent_size))}


@dataclass(frozen=True)
class Optimisation:
    """One loss that one optimiser has to minimise now.

    Args:
        optimiser: its name in `Task.optimisers`.
        loss: FP32 scalar.
        statistics: further scalars to record.
    """

    optimiser: str
    loss: Tensor
    statistics: Mapping[str, Tensor] | None = None


class Task(nn.Module, ABC):
    """A generator in training with everything it needs for that; its state dict is all of its state.

    A subclass is built from (recipe, dataset) and holds the generator as `generator`.
    """

    generator: Generator

    @classmethod
    @abstractmethod
    def build(cls, recipe: Any, dataset: Dataset) -> Task:
        """The task of a recipe on a dataset, its first weights drawn from torch's global generator.

        Raises:
            UsageError: the recipe does not fit the dataset.
        """

    @abstractmethod
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """Name -> optimiser of some of the parameters; no parameter has two."""

    @abstractmethod
    def losses(self, batch: Batch, draw: Draw) -> Iterator[Optimisation]:
        """One step: what to minimise, in order; each is applied before the next is computed.

        Args:
            batch: real images of this process.
            draw: the only source of randomness.
        """


@dataclass(frozen=True)
class Family:
    """A family of generators: its name and its three classes."""

    name: str
    recipe: type[Recipe]
    generator: type[Generator]
    task: type[Task]


def family_names() -> tuple[str, ...]:
    """The families there are; none of them is imported."""
    return plugin_names(_PACKAGE)


def family(name: str) -> Family:
    """The family called `name`.

    Raises:
        UnknownName: there is none.
    """
    module = load_plugin(_PACKAGE, name, "family")
    return Family(name, module.Recipe, module.Generator, module.Task)


def square_picture(dataset: Dataset, family: str) -> tuple[int, int]:
    """Resolution and channels of a dataset's images.

    Args:
        dataset: to be trained on.
        family: that takes square images only.

    Raises:
        UsageError: they are not square.
    """
    height, width, channels = dataset.picture
    if height != width:
        raise UsageError(
            f"data {dataset.name!r} has {height}x{width} images; family {family!r} takes square ones"
        )
    return height, channels


def check_picture(resolution: int, channels: int) -> None:
    """Refuse a picture that doubling layers cannot make.

    Raises:
        UsageError: the resolution is not 4, 5, 6 or 7 doubled again and again, from 8 to 1024, or the channels are
            neither 1 nor 3.
    """
    if not LEAST_RESOLUTION <= resolution <= MOST_RESOLUTION or first_side(resolution) > 7:
        raise UsageError(
            f"resolution {resolution} is not allowed; it must be {LEAST_RESOLUTION} to {MOST_RESOLUTION} and 4, 5, 6"
            " or 7 doubled again and again, such as 28, 32, 48 or 64 (--set resolution=...)"
        )
    if channels not in (1, 3):
        raise UsageError(f"{channels} colour channels are not allowed; it must be 1 (grey) or 3 (RGB)")
