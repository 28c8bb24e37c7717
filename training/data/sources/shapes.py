"""Scenes of two shapes with captions, made here: text to image, and outlines to filled shapes, with ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ....signature.image_files import fitted
from ..dataset import Dataset
from ..options import Options
from ..scenes import COLOURS, HELD_OUT, OBJECTS, RELATIONS, SHAPES, SIDE, Scene, SceneObject, arrange, draw
from .base import Source as BaseSource

__all__ = ["Source", "scenes"]

TRAIN_COUNT, TEST_COUNT = 40_000, 4_000
PAIRS = "shapes-pairs"

_KINDS = tuple(product(COLOURS, SHAPES))
_PROGRESS_EVERY = 1_000


class Source(BaseSource):
    """40,000 scenes to train on and 4,000 to test on; the same ones at every call.

    A caption is one of 7,056 for training, without the things of `HELD_OUT`; a test scene shows at least one of them.
    `training.scenes.read_scene` tells from a picture what it shows. The label is the colour and shape of the thing at
    the left or above. In the paired form the same pictures have their outlines as sources.
    """

    names = ("shapes", PAIRS)

    def load(self, name: str, options: Options) -> Dataset:
        """The scenes, RGB on white."""
        side = options.resolution or SIDE
        options.check_memory(f"data {name!r}", TRAIN_COUNT, (side, side, options.channels or 3))
        common = [thing for thing in OBJECTS if thing not in HELD_OUT]
        held_out = [thing for thing in OBJECTS if thing in HELD_OUT]
        train = _dataset(name, scenes(common, common, TRAIN_COUNT, seed=0), options, seed=1)
        test = _dataset(name, scenes(held_out, OBJECTS, TEST_COUNT, seed=2), options, seed=3)
        return replace(train, test=test)


def scenes(some: Sequence[SceneObject], others: Sequence[SceneObject], count: int, seed: int) -> list[Scene]:
    """Scenes with one thing of `some` and one of `others`, either of them first, in any relation, equally often."""
    random = np.random.default_rng(seed)
    drawn = random.integers((len(some), len(others), 2, len(RELATIONS)), size=(count, 4))
    relations = tuple(RELATIONS)
    made = []
    for one, other, swapped, relation in drawn.tolist():
        first, second = some[one], others[other]
        if swapped:
            first, second = second, first
        made.append(Scene(first, relations[relation], second))
    return made


def _dataset(name: str, shown: list[Scene], options: Options, seed: int) -> Dataset:
    chances = np.random.default_rng(seed).random((len(shown), 4)).tolist()
    images = np.empty((len(shown), SIDE, SIDE, 3), np.uint8)
    outlines = np.empty_like(images) if name == PAIRS else None
    for index, scene in enumerate(shown):
        places = arrange(scene, chances[index])
        images[index] = draw(scene, places)
        if outlines is not None:
            outlines[index] = draw(scene, places, outlined=True)
        done = index + 1
        if options.progress is not None and (done % _PROGRESS_EVERY == 0 or done == len(shown)):
            options.progress(done, len(shown))
    return Dataset(
        name=name,
        licence="Apache-2.0",
        images=fitted(images, size=options.size, channels=options.channels),
        labels=_labels(shown),
        class_names=tuple(f"{colour} {shape}" for colour, shape in _KINDS),
        captions=tuple(scene.caption for scene in shown),
        sources=None if outlines is None else fitted(outlines, size=options.size, channels=options.channels),
    )


def _labels(shown: list[Scene]) -> NDArray[np.int64]:
    begun_with = (scene.canonical.first for scene in shown)
    return np.array([_KINDS.index((thing.colour, thing.shape)) for thing in begun_with], np.int64)
