import numpy as np
import pytest
import torch

from litho.training.data import sources as data
from litho.training.data.dataset import Dataset
from litho.training.metrics.pixels import diversity, label_agreement, quality
from litho.training.models import family
from litho.training.networks.pixel_model import PixelModel


@pytest.fixture(scope="module")
def split() -> tuple[Dataset, Dataset]:
    return data.load("digits").split()


def test_real_digits_agree_with_their_labels_and_not_with_others(split) -> None:
    train, test = split
    assert label_agreement(test.images, test.labels, train) > 0.97
    assert label_agreement(test.images, (test.labels + 1) % 10, train) < 0.03


def test_diversity_is_one_for_real_images_and_nothing_for_copies(split) -> None:
    train, test = split
    assert diversity(test.images, train.images) == pytest.approx(1, abs=0.05)
    assert diversity(np.repeat(test.images[:1], 20, axis=0), train.images) == 0


@pytest.mark.parametrize(("name", "conditions"), [("cgan", {"classes": 10}), ("dcgan", {})])
def test_an_untrained_generator_has_figures_and_no_quality(
    split, name: str, conditions: dict[str, int]
) -> None:
    torch.manual_seed(0)
    generator = family(name).generator(width=2, latent_size=4, **conditions).eval()
    figures = quality(PixelModel(generator, generator.signature()), split[0])
    assert figures["diversity"] < 0.5
    assert ("label_agreement" in figures) == bool(conditions)
    assert figures.get("label_agreement", 0) < 0.3
