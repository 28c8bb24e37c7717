"""Registry of generator families.

A family is a module of this folder with three classes and a table:

    SMALLEST    recipe keys of its smallest training, for tests and checks of all families
    Recipe      the keys of its training, a subclass of `training.recipe.Recipe`
    Generator   the exported network, a subclass of `networks.generator.Generator`
    Task        the networks and losses that train it, a subclass of `objectives.task.Task`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import UsageError
from ...plugins import load_plugin, plugin_names
from ..networks.generator import Generator
from ..networks.layers import first_side
from ..objectives.task import Task
from ..recipe import Recipe

__all__ = ["Family", "check_image_shape", "family", "family_names"]

_PACKAGE = "litho.training.models"

LEAST_RESOLUTION, MOST_RESOLUTION = 8, 1024


@dataclass(frozen=True)
class Family:
    """Name and content of a family's module."""

    name: str
    smallest: Mapping[str, Any]
    recipe: type[Recipe]
    generator: type[Generator]
    task: type[Task]


def family_names() -> tuple[str, ...]:
    """Names of all families; none is imported."""
    return plugin_names(_PACKAGE)


def family(name: str) -> Family:
    """Load a family by name.

    Raises:
        UnknownName: there is no such family.
    """
    module = load_plugin(_PACKAGE, name, "family")
    return Family(name, module.SMALLEST, module.Recipe, module.Generator, module.Task)


def check_image_shape(resolution: int, channels: int) -> None:
    """Check that repeated doubling reaches a resolution.

    Raises:
        UsageError: the resolution is not 4, 5, 6 or 7 times a power of two within 8 to 1024, or the channels are
            neither 1 nor 3.
    """
    if not LEAST_RESOLUTION <= resolution <= MOST_RESOLUTION or first_side(resolution) > 7:
        raise UsageError(
            f"resolution {resolution} is not allowed; expected 4, 5, 6 or 7 times a power of two,"
            f" {LEAST_RESOLUTION} to {MOST_RESOLUTION}, such as 28, 32, 48 or 64 (--set resolution=...)"
        )
    if channels not in (1, 3):
        raise UsageError(f"{channels} colour channels are not allowed; expected 1 (grey) or 3 (RGB)")
