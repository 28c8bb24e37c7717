"""The made scenes: the same at every call, truly captioned, tested on things that were never trained on."""

import numpy as np
import pytest

from litho.errors import DataError
from litho.training.data.dataset import Dataset
from litho.training.data.scenes import HELD_OUT, SHAPES, Scene, read_scene
from litho.training.data.sources import load
from litho.training.data.sources.shapes import scenes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pairs() -> Dataset:
    return load("shapes-pairs")


def test_every_picture_shows_what_its_caption_and_label_say(pairs: Dataset) -> None:
    for part in pairs.split():
        assert part.captions is not None
        assert part.labels is not None
        for index in range(0, len(part), len(part) // 100):
            seen = read_scene(part.images[index])
            assert seen == Scene.parse(part.captions[index]).canonical
            assert part.class_names[part.labels[index]] == f"{seen.first.colour} {seen.first.shape}"


def test_a_test_scene_shows_what_was_never_trained_on(pairs: Dataset) -> None:
    train, test = pairs.split()
    assert (len(train), len(test)) == (40_000, 4_000)
    for part, expected in ((train, 0), (test, 1)):
        for caption in part.captions:
            scene = Scene.parse(caption)
            assert len({scene.first, scene.second} & HELD_OUT) >= expected
            assert expected or not {scene.first, scene.second} & HELD_OUT


def test_scenes_are_many_and_balanced(pairs: Dataset) -> None:
    assert len(set(pairs.captions)) > 6_900  # of 7,056; 40,000 draws leave out about 24
    assert len({image.tobytes() for image in pairs.images}) > 38_000
    shares = [np.mean([f" {shape} " in f"{caption} " for caption in pairs.captions]) for shape in SHAPES]
    assert max(shares) - min(shares) < 0.05


def test_the_paired_form_is_the_same_scenes_with_their_outlines(pairs: Dataset) -> None:
    plain = load("shapes")
    assert plain.sources is None
    np.testing.assert_array_equal(plain.images, pairs.images)
    assert pairs.sources.shape == pairs.images.shape
    # An outline has less ink: it is nearer to white.
    assert pairs.sources.mean() > pairs.images.mean()
    assert plain.sha256() == load("shapes").sha256() != pairs.sha256()


def test_scenes_depend_on_the_seed_alone() -> None:
    things = list(HELD_OUT)
    assert scenes(things, things, 20, seed=1) == scenes(things, things, 20, seed=1)
    assert scenes(things, things, 20, seed=1) != scenes(things, things, 20, seed=2)


def test_what_does_not_fit_the_memory_is_refused_first() -> None:
    with pytest.raises(DataError, match="data 'shapes': 40000 pictures of 32x32x3 take 117 MiB decoded"):
        load("shapes", memory_bytes=100 << 20)
