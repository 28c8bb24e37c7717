from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from litho.errors import UsageError
from litho.training.data.dataset import Dataset
from litho.training.models import cyclegan
from litho.training.networks.pixel_model import PixelModel
from litho.training.presets import resolve
from litho.training.randomness import Draw

from ...smallest import smallest_recipe

SMALL = smallest_recipe("cyclegan", translate=1, batch=8)
HEAVY = {"lr": "5e-3", "cycle_weight": "100", "identity_weight": "100"}


@pytest.mark.parametrize(("resolution", "channels", "blocks"), [(8, 1, 0), (28, 3, 1), (64, 3, 2)])
def test_pictures_have_the_signature_s_shape(resolution: int, channels: int, blocks: int) -> None:
    generator = cyclegan.Generator(resolution=resolution, channels=channels, width=2, blocks=blocks)
    signature = generator.signature()
    assert [field.name for field in signature.inputs] == ["seed", "source"]
    source = torch.rand(3, channels, resolution, resolution) * 2 - 1
    images = generator(torch.randn(3, generator.latent_size) * 100, source)
    assert images.shape == (3, *(signature.output.shape[axis] for axis in (2, 0, 1)))


def test_it_begins_near_the_identity() -> None:
    torch.manual_seed(0)
    generator, source = cyclegan.Generator(resolution=16, width=8, blocks=1), torch.rand(4, 3, 16, 16) * 2 - 1
    assert (generator(torch.randn(4, generator.latent_size), source) - source).abs().mean() < 0.2


def test_one_seed_and_source_give_one_picture_and_another_seed_another() -> None:
    torch.manual_seed(0)
    generator = cyclegan.Generator(resolution=16, width=4, blocks=1, noise=0.3).eval()
    picture = PixelModel(generator, generator.signature())
    source = torch.randint(256, (4, 16, 16, 3), dtype=torch.uint8)
    seed = torch.arange(4)
    together = picture(seed, source)
    for row in range(4):
        alone = picture(seed[row : row + 1], source[row : row + 1])[0]
        assert (alone.int() - together[row].int()).abs().max() <= 1
    assert not torch.equal(picture(seed + 1, source), together)


@pytest.mark.slow
@pytest.mark.parametrize("statistic", ["cycle", "identity"])
def test_pictures_come_back(pairs: Dataset, taught: Callable[..., list[float]], statistic: str) -> None:
    recipe = resolve("cyclegan-restyle", overrides={**SMALL, **HEAVY})
    errors = taught(cyclegan.Task.build(recipe, pairs), pairs, statistic, steps=40)
    assert sum(errors[-5:]) / 5 < 0.8 * errors[0]


def test_which_pictures_belong_together_is_not_looked_at(pairs: Dataset) -> None:
    recipe = resolve("cyclegan-restyle", overrides=SMALL)
    batch = pairs.batch(np.arange(8))
    torch.manual_seed(0)
    task = cyclegan.Task.build(recipe, pairs)
    found = [
        [minimise.loss.item() for minimise in task.losses(some, Draw(0, 3, 8, slice(None)))]
        for some in (
            batch,
            pairs.batch(np.arange(8)[::-1].copy()),
            Dataset("", "", pairs.images).batch(np.arange(8)),
        )
    ]
    assert found[0] == found[2]
    assert found[0] != found[1]


def test_a_process_draws_its_part_of_the_sources(pairs: Dataset) -> None:
    recipe = resolve("cyclegan-restyle", overrides={**SMALL, "translate": "0"})
    task, batch = cyclegan.Task.build(recipe, pairs), pairs.batch(np.arange(8))
    # Every term is a mean over pictures: that of all is the mean of those of two halves.
    parts = [slice(0, 4), slice(4, 8)]
    whole = next(task.losses(batch, Draw(0, 0, 8, slice(None)))).loss
    halves = [next(task.losses(pairs.batch(np.arange(8)[part]), Draw(0, 0, 8, part))).loss for part in parts]
    torch.testing.assert_close(whole, torch.stack(halves).mean())


def test_only_the_way_there_is_served_and_the_state_holds_no_data(pairs: Dataset) -> None:
    task = cyclegan.Task.build(resolve("cyclegan-restyle", overrides=SMALL), pairs)
    assert set(task.generator.state_dict()) == set(task.back.state_dict())
    assert "sources" not in task.state_dict()


def test_what_does_not_fit_is_refused(pairs: Dataset) -> None:
    recipe = resolve("cyclegan-restyle", overrides=SMALL)
    with pytest.raises(UsageError, match="data 'alone' has no pairs; family 'cyclegan' needs them"):
        cyclegan.Task.build(recipe, Dataset("alone", "unknown", pairs.images))
    grey = replace(pairs, sources=pairs.images[..., :1])
    with pytest.raises(UsageError, match=r"sources of shape \[16, 16, 1\] and targets of \[16, 16, 3\]"):
        cyclegan.Task.build(recipe, grey)
    with pytest.raises(UsageError, match=r"resolution 10 is not allowed; .* a multiple of 4"):
        cyclegan.Generator(resolution=10)
