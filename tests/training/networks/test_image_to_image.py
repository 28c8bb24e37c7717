from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from litho.training.data.dataset import Dataset
from litho.training.data.sources import load
from litho.training.metrics.pixels import quality
from litho.training.models import inpaint, pix2pix
from litho.training.networks import image_to_image as translation
from litho.training.networks.pixel_model import PixelModel
from litho.training.run.logging import comparison_grid


def test_noise_multiplies_each_map_by_a_number_of_its_own() -> None:
    features = torch.ones(2, 3, 4, 4)
    latent = torch.tensor([[0.0, 1, -1], [2, 0, 0]])
    factors = translation.multiply_by_noise(features, latent, 0.5)[:, :, 0, 0]
    assert factors.tolist() == [[1, 1.5, 0.5], [2, 1, 1]]


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_a_patch_is_as_wide_as_the_discriminator_says(layers: int) -> None:
    torch.manual_seed(0)
    # Over one picture alone a norm would tie every place to every other.
    judge = translation.PatchDiscriminator(1, 4, layers, normalised=False)
    images = torch.zeros(1, 1, 128, 128, requires_grad=True)
    logits = judge(images)
    side = 128 >> layers
    assert logits.shape == (1, 1, side, side)
    logits[0, 0, side // 2, side // 2].backward()
    assert images.grad is not None
    assert int(images.grad[0, 0].any(0).sum()) == {1: 8, 2: 18, 3: 38, 4: 78}[layers]


def test_brightness_is_seen_by_a_judge_that_does_not_normalise() -> None:
    torch.manual_seed(0)
    images = torch.rand(1, 3, 32, 32) * 8
    spread = {}
    for normalised in (True, False):
        judge = translation.PatchDiscriminator(3, 4, 2, normalised=normalised)
        judge.layers[0] = torch.nn.Conv2d(3, 4, 4, 2, 1, bias=False)
        spread[normalised] = (judge(images) - judge(images * 2)).abs().mean().item()
    assert spread[False] > 100 * spread[True]


def test_a_grid_shows_what_was_given_made_and_wanted(tmp_path: Path) -> None:
    digits = load("digits", resolution=8)
    generator = inpaint.Generator(resolution=8, width=2).eval()
    picture = PixelModel(generator, generator.signature())
    comparison_grid(tmp_path / "grid.png", picture, torch.device("cpu"), digits)
    columns = {"small": digits.images[:5, ::2, ::2], "large": digits.images[:5]}
    grid = translation.side_by_side(columns, across=2)
    with Image.open(tmp_path / "grid.png") as written:
        # Ten rows of twice source, made and wanted; two rows of twice two.
        assert written.size[0] > 6 * 96
        assert written.size[1] > 10 * 96
    assert 4 * 96 < grid.size[0] < 5 * 96
    assert 2 * 96 < grid.size[1] < 3 * 96


def test_the_quality_of_pictures_from_pictures_is_that_of_held_out_ones() -> None:
    digits = load("digits", resolution=8)
    pairs = load("digits", resolution=8).select(np.arange(20))
    black = pix2pix.Generator(resolution=8, channels=1, width=2).eval()
    for weights in black.network.last.parameters():
        torch.nn.init.zeros_(weights)
    assert black.network.last.bias is not None
    torch.nn.init.constant_(black.network.last.bias, -100.0)
    picture = PixelModel(black, black.signature())
    held_out = negatives(digits.select(np.arange(20, 50)))
    figures = quality(picture, negatives(pairs), held_out=held_out)
    assert figures == {"l1": pytest.approx(held_out.images.mean() / 255, abs=1e-4)}


def negatives(dataset: Dataset) -> Dataset:
    """The data with the negatives of its pictures as sources."""
    return replace(dataset, sources=255 - dataset.images)
