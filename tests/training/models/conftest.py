"""Every family by the same line: a training of a few steps, its bundle, and what serves it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from litho.bundle import Bundle
from litho.training.data.dataset import Dataset
from litho.training.models import Task
from litho.training.randomness import Draw, batch_indices

from ...smallest import smallest_recipe

Prove = Callable[..., Bundle]


@pytest.fixture
def prove(tmp_path: Path) -> Prove:
    """Train a preset on digits for four steps and export it; keywords are further recipe keys."""
    from litho.export.build import export
    from litho.training.loop import train
    from litho.training.presets import resolve

    def line(preset: str, **overrides: object) -> Bundle:
        keys = smallest_recipe(resolve(preset).family, **{"data": "digits", "resolution": 16, **overrides})
        run = train(preset, run=tmp_path / "run", overrides=keys, progress=False)
        return export(run, to=tmp_path / "bundle", timed=False)

    return line


@pytest.fixture
def assert_served(tmp_path: Path) -> Callable[[Bundle], None]:
    """Assert that a bundle passed its gate and that both flavours of deployment take it."""
    from litho.serving.repository.deploy import deploy

    def check(bundle: Bundle) -> None:
        (variant,) = bundle.manifest.variants
        assert variant.verdict.status == "passed", variant.verdict.reason
        for flavour in ("litho", "onnxruntime"):
            served = deploy(bundle, to=tmp_path / "repository", name=flavour, flavour=flavour).served
            assert served.signature == bundle.manifest.signature

    return check


@pytest.fixture(scope="session")
def pairs() -> Dataset:
    """Squares of any colour on white, 16x16 pixels, each to be made from its negative."""
    random = np.random.default_rng(0)
    images = np.full((24, 16, 16, 3), 255, np.uint8)
    for image in images:
        top, left = random.integers(1, 8, 2)
        image[top : top + 7, left : left + 7] = random.integers(0, 200, 3)
    return Dataset("pairs", "unknown", images, sources=255 - images)


@pytest.fixture
def taught() -> Callable[..., list[float]]:
    """Train a task for some steps of 8 images; the answer is one of its statistics after each."""

    def teach(task: Task, dataset: Dataset, statistic: str, *, steps: int) -> list[float]:
        optimizers, values = task.optimizers(), []
        for step in range(steps):
            batch = dataset.batch(batch_indices(0, step, 8, len(dataset)))
            for loss_step in task.losses(batch, Draw(0, step, 8, slice(None))):
                optimizers[loss_step.optimizer].zero_grad()
                loss_step.loss.backward()
                optimizers[loss_step.optimizer].step()
                if statistic in (loss_step.statistics or {}):
                    values.append(loss_step.statistics[statistic].item())
        return values

    return teach
