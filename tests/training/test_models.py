from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from litho.errors import UnknownName, UsageError
from litho.training.data import sources as data
from litho.training.data.dataset import Dataset
from litho.training.models import family, family_names
from litho.training.presets import PRESETS, resolve
from litho.training.randomness import Draw


def test_families_are_found_by_their_files() -> None:
    assert {"cgan", "dcgan"} <= set(family_names())
    assert "base" not in family_names()
    with pytest.raises(UnknownName, match="unknown family 'gcan'; did you mean"):
        family("gcan")


@pytest.mark.parametrize("name", ["cgan", "dcgan"])
@settings(max_examples=8)
@given(
    resolution=st.sampled_from([8, 28, 48, 64]),
    channels=st.sampled_from([1, 3]),
    latent_size=st.integers(1, 9),
)
def test_pictures_have_the_signature_s_shape_and_range(
    name: str, resolution: int, channels: int, latent_size: int
) -> None:
    conditions = {"classes": 3} if name == "cgan" else {}
    generator = family(name).generator(
        resolution=resolution, channels=channels, latent_size=latent_size, width=2, **conditions
    )
    signature = generator.signature()
    latent = torch.randn(5, latent_size) * 100
    images = generator(latent, *([torch.tensor([0, 1, 2, 0, 1])] if conditions else []))
    assert images.shape == (5, channels, resolution, resolution)
    assert signature.output.shape == (resolution, resolution, channels)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1


@pytest.mark.parametrize("name", ["cgan", "dcgan"])
@pytest.mark.parametrize("wrong", [{"resolution": 36}, {"resolution": 2048}, {"channels": 4}])
def test_a_picture_that_no_doubling_makes_is_refused(name: str, wrong: dict[str, int]) -> None:
    conditions = {"classes": 3} if name == "cgan" else {}
    with pytest.raises(UsageError, match=r"(is|are) not allowed"):
        family(name).generator(**conditions, **wrong)


def test_the_class_names_of_the_data_reach_the_signature() -> None:
    label = family("cgan").generator(classes=2, width=2).signature(("cat", "dog")).inputs[1]
    assert label.class_names == ("cat", "dog")
    assert label.maximum == 1


SMALL = {"batch": "4", "width": "2"}
PENALISED = {**SMALL, "discriminator_width": "2", "r1_gamma": "0.5", "r2_gamma": "0.5", "penalty_every": "1"}


@pytest.mark.parametrize("preset", ["cgan-digits", "dcgan-digits"])
@pytest.mark.parametrize("loss", ["hinge", "non-saturating", "relativistic"])
def test_every_loss_of_a_gan_moves_the_networks_in_turn(preset: str, loss: str) -> None:
    assert stepped(preset, {**PENALISED, "loss": loss}) == ["discriminator", "generator"]


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


def test_a_conditional_family_refuses_data_without_labels() -> None:
    digits = data.load("digits")
    unlabelled = Dataset("photos", "unknown", digits.images)
    with pytest.raises(
        UsageError, match="data 'photos' has no labels; family 'cgan' needs them: take 'dcgan'"
    ):
        family("cgan").task.build(resolve("cgan-digits"), unlabelled)


def test_images_that_are_not_square_are_refused() -> None:
    digits = data.load("digits")
    wide = Dataset("wide", "unknown", digits.images[:, :16], digits.labels, digits.class_names)
    for name in ("cgan", "dcgan"):
        with pytest.raises(UsageError, match="16x32 images"):
            family(name).task.build(resolve(f"{name}-digits"), wide)
