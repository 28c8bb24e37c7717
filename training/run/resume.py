"""State of a run's directory before training: the recipe it was started with, finished or not, in use or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ...bundle.json_documents import read_document
from ...errors import BundleError, CheckpointError, TrainingError, UsageError
from ...files import check_folder, locked, write_bytes
from ..recipe import BUDGETS, Budget, Recipe
from .snapshot import INFO_NAME, load_snapshot

__all__ = ["check_recipe", "check_run", "default_budget", "exclusive_run", "is_finished", "write_recipe"]

RECIPE_NAME = "recipe.json"
RECIPE_SCHEMA_VERSION = 1


def check_run(run: Path, recipe: Recipe) -> None:
    """Refuse a run's directory that cannot be made or written to, or was started with another recipe.

    Raises:
        UsageError: it is one of these.
        CheckpointError: the run's recipe is damaged.
    """
    check_folder(run, "--run")
    check_recipe(run, recipe)


def check_recipe(run: Path, recipe: Recipe) -> None:
    """Check that a recipe equals the one that the run was started with, if any.

    Keys added to litho since then count as their defaults, which change nothing.

    Raises:
        UsageError: the recipes differ, and the message names the keys; or the directory holds a snapshot without a
            recipe, which would be overwritten.
        CheckpointError: the run's recipe is damaged.
    """
    if not (run / RECIPE_NAME).exists():
        if (run / INFO_NAME).exists():
            raise UsageError(f"{run} holds a snapshot but no {RECIPE_NAME}; give another --run")
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


def default_budget(run: Path) -> tuple[Budget, str]:
    """The budget of a run, and why: the one it was started with, else the one that fits this machine."""
    import torch

    with suppress(OSError, ValueError, RecursionError, AttributeError):
        started = json.loads((run / RECIPE_NAME).read_bytes()).get("budget")
        if started in BUDGETS:
            return started, f"with which {run} was started"
    if torch.accelerator.is_available():
        return "gpu", "because this machine has a GPU"
    return "cpu", "because this machine has no GPU"


def write_recipe(run: Path, recipe: Recipe) -> None:
    """Write the recipe of a run."""
    write_bytes(run / RECIPE_NAME, json.dumps(_document(recipe), indent=2) + "\n")


def is_finished(run: Path) -> bool:
    """Whether the run holds an undamaged snapshot, which is written at the end of a training."""
    try:
        return (run / RECIPE_NAME).exists() and load_snapshot(run).info.nimg > 0
    except CheckpointError:
        return False


@contextmanager
def exclusive_run(run: Path) -> Iterator[None]:
    """Lock a run against other processes while the block runs.

    Raises:
        TrainingError: another process holds the lock.
    """
    busy = TrainingError(f"another process trains {run}; wait for it, or give another folder")
    with locked(run / ".lock", busy):
        yield


def _document(recipe: Recipe) -> dict[str, Any]:
    return {"schema_version": RECIPE_SCHEMA_VERSION, **recipe.model_dump(mode="json")}
