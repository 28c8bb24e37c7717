from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings, strategies as st

from litho.errors import UsageError
from litho.training.data.dataset import Dataset
from litho.training.models import pix2pix
from litho.training.networks.pixel_model import PixelModel
from litho.training.presets import resolve

from ...smallest import smallest_recipe

SMALL = smallest_recipe("pix2pix", translate=1, batch=8)


@settings(max_examples=8)
@given(st.sampled_from([8, 28, 64]), st.sampled_from([1, 3]), st.integers(0, 2))
def test_pictures_have_the_signature_s_shape_and_range(resolution: int, channels: int, blocks: int) -> None:
    generator = pix2pix.Generator(resolution=resolution, channels=channels, width=2, blocks=blocks)
    signature = generator.signature()
    assert [field.name for field in signature.inputs] == ["seed", "source"]
    source = torch.rand(3, channels, resolution, resolution) * 2 - 1
    images = generator(torch.randn(3, generator.latent_size) * 100, source)
    assert images.shape == (3, *(signature.output.shape[axis] for axis in (2, 0, 1)))
    assert images.abs().max() <= 1


def test_one_seed_and_source_give_one_picture_and_another_seed_another() -> None:
    torch.manual_seed(0)
    generator = pix2pix.Generator(resolution=16, width=4).eval()
    picture = PixelModel(generator, generator.signature())
    source = torch.randint(256, (6, 16, 16, 3), dtype=torch.uint8)
    seed = torch.tensor([5, 6, 5, 7, 8, 9])
    source[2] = source[0]
    together = picture(seed, source)
    assert torch.equal(together[0], together[2])
    for row in range(6):
        alone = picture(seed[row : row + 1], source[row : row + 1])[0]
        assert (alone.int() - together[row].int()).abs().max() <= 1
    assert not torch.equal(picture(seed + 1, source)[0], together[0])


def test_a_network_in_training_draws_nothing_itself() -> None:
    generator = pix2pix.Generator(resolution=8, width=2).train()
    latent, source = torch.randn(2, generator.latent_size), torch.rand(2, 3, 8, 8)
    assert torch.equal(generator(latent, source), generator(latent, source))
    assert torch.equal(generator(latent, source), generator.eval()(latent, source))


@pytest.mark.parametrize("loss", ["non-saturating", "least-squares"])
def test_pairs_are_learned(pairs: Dataset, taught: Callable[..., list[float]], loss: str) -> None:
    recipe = resolve("pix2pix-restyle", overrides={**SMALL, "lr": "5e-3", "loss": loss})
    errors = taught(pix2pix.Task.build(recipe, pairs), pairs, "l1", steps=30)
    assert errors[-1] < 0.5 * errors[0]


def test_what_does_not_fit_is_refused(pairs: Dataset) -> None:
    recipe = resolve("pix2pix-restyle", overrides=SMALL)
    with pytest.raises(UsageError, match="data 'alone' has no pairs; family 'pix2pix' needs them"):
        pix2pix.Task.build(recipe, Dataset("alone", "unknown", pairs.images))
    grey = replace(pairs, sources=pairs.images[..., :1])
    with pytest.raises(UsageError, match=r"sources of shape \[16, 16, 1\] and targets of \[16, 16, 3\]"):
        pix2pix.Task.build(recipe, grey)
    with pytest.raises(UsageError, match="resolution 36 is not allowed"):
        pix2pix.Generator(resolution=36)
    with pytest.raises(UsageError, match="2 colour channels are not allowed"):
        pix2pix.Generator(channels=2)
