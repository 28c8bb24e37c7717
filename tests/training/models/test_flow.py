import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from litho.errors import UsageError
from litho.training import loop
from litho.training.data import dataset
from litho.training.data.dataset import Dataset
from litho.training.models import flow
from litho.training.presets import resolve
from litho.training.randomness import Draw, batch_indices
from litho.training.run.snapshot import load_snapshot

COLOURS = {"red": (220, 30, 30), "синий": (30, 30, 220), "緑": (30, 180, 30), "🟡": (250, 220, 20)}
SMALL = {"width": "32", "depth": "2", "batch": "16", "token_count": "4", "precision": "fp32", "lr": "3e-3"}


@pytest.fixture(scope="module")
def coloured() -> Dataset:
    """Plain 8x8 pictures, captioned with the name of their colour, each in another script."""
    images = np.array([np.full((8, 8, 3), colour) for colour in COLOURS.values()], np.uint8)
    return Dataset(
        "colours", "unknown", np.repeat(images, 4, axis=0), captions=tuple(np.repeat(list(COLOURS), 4))
    )


@pytest.fixture
def folder(coloured: Dataset, tmp_path: Path) -> Path:
    """The same pictures on disk."""
    path = tmp_path / "colours"
    path.mkdir()
    lines = []
    for number, (image, caption) in enumerate(zip(coloured.images, coloured.captions or (), strict=True)):
        Image.fromarray(image).save(path / f"{number}.png")
        lines.append(json.dumps({"file_name": f"{number}.png", "text": str(caption)}))
    (path / "metadata.jsonl").write_text("\n".join(lines))
    return path


def trained(coloured: Dataset, steps: int) -> tuple[flow.Task, list[float]]:
    recipe = resolve("flow-shapes", overrides=SMALL)
    assert isinstance(recipe, flow.Recipe)
    torch.manual_seed(0)
    task, losses = flow.Task.build(recipe, coloured), []
    (optimizer,) = task.optimizers().values()
    for step in range(steps):
        batch = coloured.batch(batch_indices(0, step, recipe.batch, len(coloured)))
        (minimise,) = task.losses(batch, Draw(0, step, recipe.batch, slice(None)))
        optimizer.zero_grad()
        minimise.loss.backward()
        optimizer.step()
        losses.append(minimise.loss.item())
    return task, losses


@pytest.mark.slow
def test_it_learns_what_captions_in_any_script_mean(coloured: Dataset) -> None:
    task, losses = trained(coloured, 150)
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) / 4
    prompts, count = list(COLOURS), len(COLOURS)
    noise = torch.randn(count, task.generator.latent_size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        made = task.generator.eval()(noise, prompts, torch.full((count,), 8), torch.full((count,), 2.0))
    means = (made.mean((2, 3)) + 1) * 127.5
    distances = torch.cdist(means, torch.tensor(list(COLOURS.values()), dtype=torch.float32))
    assert distances.argmin(1).tolist() == list(range(count))


@pytest.mark.slow
def test_a_training_that_was_cut_short_ends_with_the_same_weights(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {**SMALL, "nimg": "96", "checkpoint_nimg": "32", "sample_nimg": "96"}

    def interrupted(seed: int, step: int, batch: int, count: int) -> np.ndarray:
        if step == 5:
            raise RuntimeError("power cut")
        return batch_indices(seed, step, batch, count)

    def train(name: str) -> Path:
        return loop.train(
            "flow-shapes", run=tmp_path / name, data=str(folder), overrides=keys, progress=False
        )

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "batch_indices", interrupted)
        with pytest.raises(RuntimeError, match="power cut"):
            train("cut")
    first, second = (load_snapshot(train(name)) for name in ("cut", "whole"))
    assert first.info == second.info
    assert first.weights.keys() == second.weights.keys()
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)


def test_the_velocity_leads_to_the_guess(coloured: Dataset) -> None:
    denoiser = trained(coloured, 1)[0].generator.denoiser
    sample, embedding = torch.randn(3, 3, 8, 8), torch.randn(3, 4, 32)
    time = torch.tensor([0.0, 0.5, 0.9])
    arrived = sample + (1 - time)[:, None, None, None] * denoiser.velocity(sample, time, embedding)
    torch.testing.assert_close(arrived, denoiser.guess(sample, time, embedding))


def test_guidance_moves_from_no_text_through_the_text_and_beyond(coloured: Dataset) -> None:
    denoiser = trained(coloured, 3)[0].generator.denoiser
    sample, embedding = torch.randn(1, 3, 8, 8), torch.randn(1, 4, 32) * 3
    time, step = torch.tensor([0.25]), torch.tensor([0.25])
    without, plain, beyond = (
        denoiser(sample, time, step, embedding, torch.tensor([guidance])) for guidance in (0.0, 1.0, 3.0)
    )
    torch.testing.assert_close(plain, sample + 0.25 * denoiser.velocity(sample, time, embedding))
    torch.testing.assert_close(beyond, without + 3 * (plain - without))
    assert not torch.allclose(without, plain)


@pytest.mark.parametrize("dropout", [0.0, 1.0])
def test_a_dropped_caption_is_not_looked_at(coloured: Dataset, dropout: float) -> None:
    recipe = resolve("flow-shapes", overrides={**SMALL, "caption_dropout": str(dropout)})
    task = flow.Task.build(recipe, coloured)
    torch.nn.init.normal_(task.generator.denoiser.to_pixels.weight)
    for block in task.generator.denoiser.blocks:
        torch.nn.init.normal_(block.modulation.weight)
    batch = coloured.batch(np.arange(16))
    other = replace(batch, captions=tuple("red" for _ in range(16)))
    first, second = (next(task.losses(given, Draw(0, 0, 16, slice(None)))).loss for given in (batch, other))
    assert (first == second) == (dropout == 1.0)


@pytest.mark.parametrize("captions", [None, ("", " ") * 8])
def test_data_without_captions_is_refused(coloured: Dataset, captions: tuple[str, ...] | None) -> None:
    with pytest.raises(UsageError, match="data 'colours' has no captions; family 'flow' needs them"):
        flow.Task.build(resolve("flow-shapes"), replace(coloured, captions=captions))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"resolution": 30}, "resolution 30 is not allowed; expected a multiple of the patch, 4"),
        ({"resolution": 2}, "resolution 2 is not allowed"),
        ({"channels": 4}, "4 colour channels are not allowed"),
        ({"width": 33}, "width 33 is not allowed; expected an even number"),
        ({"width": 200}, "width 200 is not allowed; expected a multiple of 64 for 3 heads"),
        ({"tokenizer": "{}"}, "not a tokenizer"),
    ],
)
def test_an_architecture_that_makes_no_network_is_refused(wrong: dict[str, int], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        flow.Generator(**wrong)
