from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from litho.errors import UsageError
from litho.training.data.dataset import Dataset
from litho.training.models import inpaint
from litho.training.networks.pixel_model import PixelModel
from litho.training.presets import resolve


def asked(count: int, resolution: int = 16, channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Sources of noise, and a hole in each."""
    generator = torch.Generator().manual_seed(0)
    source = torch.randint(
        256, (count, resolution, resolution, channels), generator=generator, dtype=torch.uint8
    )
    mask = inpaint.holes(torch.rand(count, 4, generator=generator), resolution).permute(0, 2, 3, 1)
    return source, mask.to(torch.uint8) * 255


@pytest.mark.parametrize(("resolution", "channels", "blocks"), [(8, 1, 0), (28, 1, 1), (64, 3, 2)])
def test_pictures_have_the_signature_s_shape_and_range(resolution: int, channels: int, blocks: int) -> None:
    generator = inpaint.Generator(resolution=resolution, channels=channels, width=2, blocks=blocks)
    signature = generator.signature()
    assert [field.name for field in signature.inputs] == ["source", "mask"]
    source = torch.rand(3, channels, resolution, resolution) * 2 - 1
    images = generator(source, torch.ones(3, 1, resolution, resolution))
    assert images.shape == (3, *(signature.output.shape[axis] for axis in (2, 0, 1)))
    assert images.abs().max() <= 1


def test_only_the_hole_is_filled_and_what_it_hides_is_not_looked_at() -> None:
    torch.manual_seed(0)
    generator = inpaint.Generator(resolution=16, channels=3, width=4).eval()
    picture = PixelModel(generator, generator.signature())
    source, mask = asked(4)
    hole = (mask > 0).expand_as(source)
    filled = picture(source, mask)
    assert torch.equal(filled[~hole], source[~hole])
    assert not torch.equal(filled[hole], source[hole])
    assert torch.equal(picture(torch.where(hole, 255 - source, source), mask), filled)
    assert torch.equal(picture(source, torch.where(mask > 0, 1, 0).to(torch.uint8)), filled)
    assert torch.equal(picture(source, torch.zeros_like(mask)), source)
    for row in range(4):
        alone = picture(source[row : row + 1], mask[row : row + 1])[0]
        assert (alone.int() - filled[row].int()).abs().max() <= 1


@given(st.sampled_from([8, 28, 64]), st.lists(st.floats(0, 0.999), min_size=4, max_size=4))
def test_holes_are_rectangles_inside_the_picture(resolution: int, chances: list[float]) -> None:
    hole = inpaint.holes(torch.tensor([chances]), resolution)[0, 0] > 0
    height, width = int(hole.any(1).sum()), int(hole.any(0).sum())
    assert int(hole.sum()) == height * width
    assert resolution / 4 - 1 <= min(height, width) <= max(height, width) <= resolution / 2 + 1


def test_tasks_are_pictures_with_holes(pairs: Dataset) -> None:
    generator = inpaint.Generator(resolution=16, channels=3, width=2)
    tasks = generator.degrade(pairs.images)
    generator.signature().check(tasks)
    hole = tasks["mask"][..., 0] > 0
    assert hole.any((1, 2)).all()
    assert np.array_equal(tasks["source"][~hole], pairs.images[~hole])
    assert (tasks["source"][hole] == 128).all()
    again = generator.degrade(pairs.images)
    assert all(np.array_equal(tasks[name], again[name]) for name in ("source", "mask"))


def test_holes_are_learned_to_be_filled(pairs: Dataset, taught: Callable[..., list[float]]) -> None:
    recipe = resolve("inpaint-fashion", overrides={"width": "4", "blocks": "0", "lr": "5e-3", "batch": "8"})
    errors = taught(inpaint.Task.build(recipe, pairs), pairs, "squared_error", steps=30)
    assert errors[-1] < 0.5 * errors[0]


def test_what_does_not_fit_is_refused(pairs: Dataset) -> None:
    recipe = resolve("inpaint-fashion", overrides={"width": "4"})
    with pytest.raises(UsageError, match="has 8x16 images; family 'inpaint' needs square ones"):
        inpaint.Task.build(recipe, Dataset("wide", "unknown", pairs.images[:, :8]))
    with pytest.raises(UsageError, match="resolution 36 is not allowed"):
        inpaint.Generator(resolution=36)
