from dataclasses import replace

import pytest
import torch

from litho.training.data import sources as data
from litho.training.models import family
from litho.training.presets import PRESETS, resolve
from litho.training.randomness import Draw

SMALL = {"batch": "4", "width": "2"}
PENALISED = {**SMALL, "discriminator_width": "2", "r1_gamma": "0.5", "r2_gamma": "0.5", "penalty_every": "1"}


@pytest.mark.parametrize("preset", ["cgan-digits", "dcgan-digits"])
@pytest.mark.parametrize("loss", ["hinge", "non-saturating", "relativistic"])
def test_every_loss_of_a_gan_moves_the_networks_in_turn(preset: str, loss: str) -> None:
    assert stepped(preset, {**PENALISED, "loss": loss}) == ["discriminator", "generator"]


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_a_step_moves_each_network_by_its_own_loss_alone(preset: str) -> None:
    assert stepped(preset, SMALL)


def stepped(preset: str, overrides: dict[str, str]) -> list[str]:
    """The optimizers that a step used, in order, each seen to have moved all of its own parameters and no others."""
    recipe = resolve(preset, overrides=overrides)
    digits = data.load("digits")
    # Whoever needs no sources or captions does not look at them.
    captions = tuple(digits.class_names[label] for label in digits.labels)
    digits = replace(digits, sources=255 - digits.images, captions=captions)
    task = family(recipe.family).task.build(recipe, digits)
    optimizers = task.optimizers()
    owned = [p for o in optimizers.values() for group in o.param_groups for p in group["params"]]
    assert len(owned) == len(set(map(id, owned))) == len(list(task.parameters()))
    seen = []
    for minimise in task.losses(digits.batch(torch.arange(4).numpy()), Draw(0, 0, 4, slice(None))):
        seen.append(minimise.optimizer)
        for parameter in task.parameters():
            parameter.grad = None
        minimise.loss.backward()
        mine = {id(p) for group in optimizers[minimise.optimizer].param_groups for p in group["params"]}
        assert all((parameter.grad is not None) == (id(parameter) in mine) for parameter in task.parameters())
        optimizers[minimise.optimizer].step()
    assert all(parameter.requires_grad for parameter in task.parameters())
    return seen
