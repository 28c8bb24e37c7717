"""The budget of a run, and a training that is taken up again."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from litho.errors import CheckpointError, LithoError, TrainingError, UsageError
from litho.files import locked
from litho.training.run.resume import default_budget

from ..conftest import Train

FITS = "gpu" if torch.accelerator.is_available() else "cpu"


@pytest.mark.parametrize("budget", ["cpu", "gpu"])
def test_a_run_keeps_the_budget_that_it_was_started_with(tmp_path: Path, budget: str) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps({"budget": budget}))
    assert default_budget(tmp_path) == (budget, f"with which {tmp_path} was started")


@pytest.mark.parametrize("content", ["", "[]", '{"budget": "tpu"}'])
def test_a_recipe_that_cannot_be_read_says_nothing_of_the_budget(tmp_path: Path, content: str) -> None:
    (tmp_path / "recipe.json").write_text(content)
    assert default_budget(tmp_path)[0] == FITS


@pytest.mark.slow
def test_a_resume_with_another_recipe_names_the_keys(tiny_train: Train, trained: Path) -> None:
    with pytest.raises(
        UsageError, match=r"was started with seed=0 \(now 3\), lr=0.001 \(now 0.5\); give the same"
    ):
        tiny_train(trained, lr=0.5, seed=3)


def test_a_snapshot_that_came_from_elsewhere_is_not_overwritten(tiny_train: Train, run: Path) -> None:
    with pytest.raises(UsageError, match=r"holds a snapshot but no recipe\.json"):
        tiny_train(run)


def test_two_processes_never_train_the_same_run(tiny_train: Train, tmp_path: Path) -> None:
    held = locked(tmp_path / "run/.lock", LithoError())
    with held, pytest.raises(TrainingError, match="another process trains"):
        tiny_train(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_resume_on_other_pictures_of_the_same_name_is_refused(
    tiny_train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for name in "abc":
        Image.new("RGB", (16, 16)).save(f"photos/{name}.png")
    run = tiny_train(Path("run"), "dcgan-digits", data="photos", nimg=64)
    (run / "snapshot.json").unlink()
    for name in "ab":
        Image.new("RGB", (16, 16), (1, 2, 3)).save(f"photos/{name}.png")
    with pytest.raises(
        CheckpointError, match="was trained on other images than 'photos' has now; give anoth"
    ):
        tiny_train(run, "dcgan-digits", data="photos", nimg=64)
