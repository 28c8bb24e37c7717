"""What a run's directory says of itself before a training begins there: started how, finished, in use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...bundle.json_documents import read_document
from ...errors import BundleError, CheckpointError, TrainingError, UsageError
from ...files import locked, write_bytes
from ..recipe import Recipe
from .snapshot import INFO_NAME, load_snapshot

__all__ = ["alone", "check_recipe", "is_finished", "write_recipe"]

RECIPE_NAME = "recipe.json"
RECIPE_SCHEMA_VERSION = 1


def check_recipe(run: Path, recipe: Recipe) -> None:
    """Compare a recipe with the one that the run was started with, if it was.

    Keys that litho did not have then count as their defaults, which leave everything as it was.

    Raises:
        UsageError: they differ, and the message names the keys; or the directory holds a snapshot that no training
            of ours made, which would be overwritten.
        CheckpointError: the run's recipe is damaged.
    """
    if not (run / RECIPE_NAME).exists():
        if (run / INFO_NAME).exists():
            raise UsageError(
                f"{run} holds a snapshot but no {RECIPE_NAME}: not trained here; give another --run"
            )
        return
    try:
        started = read_document(run, RECIPE_NAME, RECIPE_SCHEMA_VERSION)
    except BundleError as error:
        raise CheckpointError(str(error)) from None
    wanted = _document(recipe)
    defaults = {name: field.default for name, field in type(recipe).model_fields.items()}
    before = {**{key: defaults.get(key) for key in wanted}, **started}
    different = [
        f"{key}={before[key]} (now {wanted.get(key)})" for key in before if before[key] != wanted.get(key)
    ]
    if different:
        raise UsageError(
            f"{run} was started with {', '.join(different)}; give the same recipe to resume it, or another --run"
        )


def write_recipe(run: Path, recipe: Recipe) -> None:
    """Write down what a run is started with."""
    write_bytes(run / RECIPE_NAME, json.dumps(_document(recipe), indent=2) + "\n")


def is_finished(run: Path) -> bool:
    """Whether the run holds an undamaged snapshot, which is written when a training ends and not before."""
    try:
        return (run / RECIPE_NAME).exists() and load_snapshot(run).info.nimg > 0
    except CheckpointError:
        return False


@contextmanager
def alone(run: Path) -> Iterator[None]:
    """Keep every other process from training a run while the block runs.

    Raises:
        TrainingError: another one does so already.
    """
    try:
        with locked(run / ".lock"):
            yield
    except BlockingIOError:
        raise TrainingError(f"another process trains {run}; wait for it, or take another --run") from None


def _document(recipe: Recipe) -> dict[str, Any]:
    return {"schema_version": RECIPE_SCHEMA_VERSION, **recipe.model_dump(mode="json")}
