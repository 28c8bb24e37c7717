"""A batch in parts takes the same steps as the whole batch."""

import pytest
import torch

from litho.errors import UsageError
from litho.training.data import sources
from litho.training.data.dataset import Dataset
from litho.training.models import family
from litho.training.optim.optimizer_step import OptimizerStep
from litho.training.presets import resolve
from litho.training.randomness import Draw
from litho.training.run.turns import check_parts, take_turns

from ...smallest import smallest_recipe

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return sources.load("digits", resolution=16)


def step_in_parts(preset: str, digits: Dataset, sizes: list[int], **keys: object) -> dict[str, float]:
    """Three steps; the statistics of the last, and the sum of the weights."""
    name = resolve(preset).family
    recipe = resolve(preset, overrides=smallest_recipe(name, **{"batch": 12, **keys}))
    torch.manual_seed(0)
    task = family(name).task.build(recipe, digits).train()
    check_parts(task, len(sizes))
    task.keeps_activations = len(sizes) == 1
    steps = {key: OptimizerStep(optimizer, recipe, CPU) for key, optimizer in task.optimizers().items()}
    seen = {}
    for number in range(3):
        turns, start = [], 0
        for size in sizes:
            part = slice(start, start := start + size)
            batch = digits.batch(torch.arange(12).numpy()).part(part)
            turns.append((task.losses(batch, Draw(0, number, 12, part)), size / 12))
        for _, statistics in take_turns(task, turns, steps, 1.0, None):
            seen |= {key: value.item() for key, value in statistics.items()}
    return {**seen, "weights": sum(value.double().abs().sum().item() for value in task.parameters())}


@pytest.mark.parametrize(
    ("preset", "keys"),
    [
        ("vae-mnist", {}),
        ("r3gan-stacked", {"data": "digits", "loss": "non-saturating"}),
        ("dcgan-digits", {"norm": "group", "spectral_norm": True, "r1_gamma": 1, "penalty_every": 1}),
    ],
)
def test_uneven_parts_train_as_the_whole_batch_does(
    digits: Dataset, preset: str, keys: dict[str, object]
) -> None:
    whole = step_in_parts(preset, digits, [12], **keys)
    assert step_in_parts(preset, digits, [5, 4, 3], **keys) == pytest.approx(whole, rel=1e-4, abs=1e-6)


def test_parts_under_a_batch_normalisation_are_refused(digits: Dataset) -> None:
    with pytest.raises(UsageError, match=r"a batch in 2 parts needs a network without batch normalisation"):
        step_in_parts("dcgan-digits", digits, [6, 6])
