"""The sets that presets train on, where the folder of LITHO_DATA holds them."""

import os
from pathlib import Path

import numpy as np
import pytest

from litho.training.data.sources import load

SHELF = os.environ.get("LITHO_DATA", "")


@pytest.fixture(autouse=True)
def _with_the_data_folder(_nothing_of_this_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITHO_DATA", SHELF)


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not SHELF or not (Path(SHELF) / name).is_dir(), reason=f"LITHO_DATA names no folder with {name}"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "mean", "deviation"),
    [
        pytest.param("mnist", 0.1307, 0.3081, marks=needs("mnist")),
        pytest.param("fashion_mnist", 0.2860, 0.3530, marks=needs("fashion_mnist")),
    ],
)
def test_the_pixels_of_mnist_and_its_like_have_the_published_moments(
    name: str, mean: float, deviation: float
) -> None:
    train, test = load(name).split()
    assert train.images.shape == (60_000, 28, 28, 1)
    assert test.images.shape[1:] == (28, 28, 1)
    assert len(train.class_names) == 10
    assert np.bincount(train.labels).min() > 5_400
    assert train.images.mean() / 255 == pytest.approx(mean, abs=1e-4)
    assert train.images.std() / 255 == pytest.approx(deviation, abs=1e-4)


@needs("emoji")
def test_emoji_have_captions_and_groups_in_test_too() -> None:
    train, test = load("emoji").split()
    assert train.picture == test.picture == (64, 64, 3)
    assert len(train.class_names) == 9
    assert train.captions is not None
    assert "grinning face" in {*train.captions, *test.captions}
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}


@needs("emoji_restyle")
def test_restyled_emoji_are_pairs_whose_identity_is_the_known_baseline() -> None:
    train, _ = load("emoji_restyle").split()
    assert train.sources.shape == train.images.shape == (len(train), 64, 64, 3)
    difference = np.abs(train.sources.astype(np.float32) - train.images).mean() / 255
    assert difference == pytest.approx(0.149, abs=0.003)
