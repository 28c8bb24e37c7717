"""Generated scenes of two shapes with captions, for text to image, and with outlines, for image to image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ....signature.image_files import fitted
from ..dataset import Dataset
from ..options import Options
from ..scenes import (
    COLOURS,
    HELD_OUT,
    OBJECTS,
    RELATIONS,
    SHAPES,
    SIDE,
    Scene,
    SceneObject,
    arrange,
    draw,
)
from .base import Source as BaseSource

__all__ = ["Source", "scenes"]

TRAIN_COUNT, TEST_COUNT = 40_000, 4_000
PAIRS = "shapes-pairs"

_KINDS = tuple(product(COLOURS, SHAPES))


class Source(BaseSource):
    """40,000 training and 4,000 test scenes, the same at every call.

    Training scenes have 7,056 captions, without the objects in `HELD_OUT`; every test scene shows at least one of
    them. `data.scenes.read_scene` reads the scene of a picture. The label is the colour and shape of the left or upper
    object. In the paired form the outlines of the same scenes are the sources.
    """

    names = ("shapes", PAIRS)

    def load(self, name: str, options: Options) -> Dataset:
        """Generate the scenes, RGB on white."""
        side = options.resolution or SIDE
        options.check_memory(f"data {name!r}", TRAIN_COUNT, (side, side, options.channels or 3))
        common = [item for item in OBJECTS if item not in HELD_OUT]
        held_out = [item for item in OBJECTS if item in HELD_OUT]
        train = _dataset(name, scenes(common, common, TRAIN_COUNT, seed=0), options, seed=1)
        test = _dataset(name, scenes(held_out, OBJECTS, TEST_COUNT, seed=2), options, seed=3)
        return replace(train, test=test)


def scenes(some: Sequence[SceneObject], others: Sequence[SceneObject], count: int, seed: int) -> list[Scene]:
    """Random scenes with one object of `some` and one of `others`, in either order and any relation."""
    random = np.random.default_rng(seed)
    chosen = random.integers((len(some), len(others), 2, len(RELATIONS)), size=(count, 4))
    relations = tuple(RELATIONS)
    made = []
    for one, other, swapped, relation in chosen.tolist():
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
        positions = arrange(scene, chances[index])
        images[index] = draw(scene, positions)
        if outlines is not None:
            outlines[index] = draw(scene, positions, outlined=True)
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
    first_objects = (scene.canonical.first for scene in shown)
    return np.array([_KINDS.index((item.colour, item.shape)) for item in first_objects], np.int64)
