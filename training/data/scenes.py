"""Scenes of two shapes on white paper: said in a sentence, drawn in pixels, and read back from pixels.

A scene is two things, each with a size, a colour and a shape, and the side of the second on which the first lies:

    a small red circle left of a large blue square

`GAP` white pixels at least keep the two apart, and along the axis of their relation their middles are at least twice
as far from each other as across it: which of the four relations holds is never in doubt. The same picture can be said
in two ways ("a large blue square right of a small red circle"); `Scene.canonical` is the one that begins at the left
or above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...extras import require

__all__ = [
    "COLOURS",
    "GAP",
    "HELD_OUT",
    "OBJECTS",
    "RELATIONS",
    "SHAPES",
    "SIDE",
    "SIZES",
    "Positions",
    "Scene",
    "SceneObject",
    "arrange",
    "draw",
    "read_scene",
]

SIDE = 32
"""Height and width of a picture in pixels."""

GAP, MARGIN = 2, 1
"""White pixels between two things, and around the picture, at least."""

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 160, 70),
    "blue": (50, 80, 220),
    "yellow": (245, 205, 50),
    "pink": (240, 110, 190),
    "black": (30, 30, 30),
}
SHAPES = ("circle", "square", "triangle", "cross")
SIZES = {"small": 7, "large": 13}
"""Size -> height and width of the thing in pixels."""

RELATIONS = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
"""Relation -> the same seen from the other thing."""

_WHITE = 255.0
_LINE_PIXELS = 1.0
_SUBPIXELS = 8


@dataclass(frozen=True)
class SceneObject:
    """One shape: a key of `SIZES`, a key of `COLOURS` and one of `SHAPES`."""

    size: str
    colour: str
    shape: str

    def __str__(self) -> str:
        return f"{self.size} {self.colour} {self.shape}"


OBJECTS = tuple(SceneObject(*parts) for parts in product(SIZES, COLOURS, SHAPES))
"""All 48."""

HELD_OUT = frozenset(
    {
        SceneObject("small", "red", "circle"),
        SceneObject("large", "green", "square"),
        SceneObject("small", "blue", "triangle"),
        SceneObject("large", "yellow", "cross"),
        SceneObject("large", "pink", "circle"),
        SceneObject("small", "black", "square"),
    }
)
"""Never trained on. Every pair of their attributes is (a large red circle, a small red cross, a small blue circle):
whoever draws them has to put together what was only seen apart."""


@dataclass(frozen=True)
class Scene:
    """Two things and how they lie: `first` is `relation` (a key of `RELATIONS`) `second`."""

    first: SceneObject
    relation: str
    second: SceneObject

    @property
    def caption(self) -> str:
        """The scene in words."""
        return f"a {self.first} {self.relation} a {self.second}"

    @property
    def canonical(self) -> Scene:
        """The same picture, begun with the thing at the left or above."""
        if self.relation in ("left of", "above"):
            return self
        return Scene(self.second, RELATIONS[self.relation], self.first)

    @classmethod
    def parse(cls, caption: str) -> Self:
        """The scene of a caption.

        Raises:
            ValueError: it is not the caption of a scene.
        """
        for relation in RELATIONS:
            before, _, after = caption.partition(f" {relation} ")
            things = [_THING_OF.get(part) for part in (before, after)]
            if things[0] and things[1]:
                return cls(things[0], relation, things[1])
        raise ValueError(
            f"{caption!r} is no caption of a scene, such as 'a small red circle above a large blue cross'"
        )


_THING_OF = {f"a {thing}": thing for thing in OBJECTS}


@dataclass(frozen=True)
class Positions:
    """Where the two things lie: row and column, in pixels from 0, of the upper left corner of each."""

    first: tuple[int, int]
    second: tuple[int, int]


def arrange(scene: Scene, chances: Sequence[float]) -> Positions:
    """Places for a scene's things that make its caption true.

    Args:
        scene: what is to be placed.
        chances: four numbers in [0, 1), each of which decides one coordinate.
    """
    ordered = scene.canonical
    near, far = SIZES[ordered.first.size], SIZES[ordered.second.size]
    slack = SIDE - 2 * MARGIN - GAP - near - far
    before = _pick(0, slack, chances[0])
    between = _pick(0, slack - before, chances[1])
    along = (MARGIN + before, MARGIN + before + near + GAP + between)
    # Half of the distance along the axis is the most by which the middles may be apart across it.
    most = ((along[1] - along[0]) * 2 + far - near) // 4
    across_near = _pick(MARGIN, SIDE - MARGIN - near, chances[2])
    level = across_near + (near - far) // 2
    lowest, highest = max(MARGIN, level - most), min(SIDE - MARGIN - far, level + most)
    across_far = _pick(lowest, highest, chances[3])
    corners = [(across_near, along[0]), (across_far, along[1])]
    if ordered.relation == "above":
        corners = [(along[0], across_near), (along[1], across_far)]
    return Positions(*corners) if ordered == scene else Positions(*reversed(corners))


def draw(scene: Scene, places: Positions, *, outlined: bool = False) -> NDArray[np.uint8]:
    """The picture of a scene.

    Args:
        scene: what is shown.
        places: where, as `arrange` gives it.
        outlined: draw lines in the things' colours instead of filling them.

    Returns:
        UINT8 of shape (32, 32, 3), on white.
    """
    picture = np.full((SIDE, SIDE, 3), _WHITE, np.float32)
    for thing, (row, column) in ((scene.first, places.first), (scene.second, places.second)):
        cover = _coverage(thing.shape, SIZES[thing.size], outlined)[..., None]
        part = picture[row : row + len(cover), column : column + len(cover)]
        part += cover * (np.array(COLOURS[thing.colour], np.float32) - part)
    return picture.round().astype(np.uint8)


def read_scene(picture: NDArray[np.uint8]) -> Scene | None:
    """What a picture of filled things shows, from its pixels alone.

    A thing is a connected patch that is not white; its colour is the nearest one to that of its middle value, its size
    and shape those whose drawing covers the patch best (soft intersection over union).

    Args:
        picture: UINT8 of shape (32, 32, 3).

    Returns:
        The scene in its canonical form, or None where the picture does not show exactly two things of known shape.
    """
    ink = (_WHITE - picture.astype(np.float32)).max(axis=2)
    patches, count = require("scipy.ndimage", "train").label(ink > _INK, np.ones((3, 3)))
    sizes = np.bincount(patches.ravel(), minlength=count + 1)[1:]
    largest = [number + 1 for number in np.flatnonzero(sizes >= _SPECK_PIXELS)]
    if len(largest) != 2:
        return None
    first, second = (_read_thing(picture, patches == number) for number in largest)
    if first is None or second is None:
        return None
    down, right = second[1] - first[1]
    sideways = "left of" if right > 0 else "right of"
    relation = sideways if abs(right) > abs(down) else "above" if down > 0 else "below"
    return Scene(first[0], relation, second[0]).canonical


_INK = 60
"""Difference from white, of 255, from which on a pixel counts as drawn on."""

_SPECK_PIXELS = 6
"""Smaller patches are dirt."""

_LEAST_OVERLAP = 0.6
"""Intersection over union below which a patch is of no known shape."""


def _read_thing(
    picture: NDArray[np.uint8], patch: NDArray[np.bool_]
) -> tuple[SceneObject, NDArray[np.float64]] | None:
    """The thing of a patch, and the middle of its box: (row, column)."""
    names = list(COLOURS)
    colours = np.array([COLOURS[name] for name in names], np.float32)
    value = np.median(picture[patch].astype(np.float32), axis=0)
    nearest = int(np.square(colours - value).sum(1).argmin())
    rows, columns = np.flatnonzero(patch.any(1)), np.flatnonzero(patch.any(0))
    middle = np.array([rows[0] + rows[-1], columns[0] + columns[-1]]) / 2
    near = _grown(patch)
    cover = np.where(near, (_WHITE - picture.astype(np.float32)) @ (_WHITE - colours[nearest]), 0)
    cover = (cover / np.square(_WHITE - colours[nearest]).sum()).clip(0, 1)
    overlap, size, shape = max(
        (_overlap(cover, _coverage(shape, SIZES[size], False), middle), size, shape)
        for size, shape in product(SIZES, SHAPES)
    )
    return (SceneObject(size, names[nearest], shape), middle) if overlap >= _LEAST_OVERLAP else None


def _grown(patch: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The patch with the faint pixels of its edge, one all around."""
    return require("scipy.ndimage", "train").binary_dilation(patch, np.ones((3, 3)))


def _overlap(cover: NDArray[Any], drawing: NDArray[Any], middle: NDArray[np.float64]) -> float:
    """Soft intersection over union of a patch and a drawing, at the best place near the patch's middle."""
    best, side = 0.0, len(drawing)
    corner = np.round(middle - (side - 1) / 2).astype(int)
    for row, column in product(*(range(start - 1, start + 2) for start in corner)):
        if 0 <= row <= SIDE - side and 0 <= column <= SIDE - side:
            part = cover[row : row + side, column : column + side]
            shared = np.minimum(part, drawing).sum()
            best = max(best, float(shared / (cover.sum() + drawing.sum() - shared)))
    return best


def _pick(lowest: int, highest: int, chance: float) -> int:
    return lowest + int(chance * (highest - lowest + 1))


@cache
def _coverage(shape: str, side: int, outlined: bool) -> NDArray[np.float32]:
    """How much of each pixel a shape covers: FP32 of shape (side, side) in [0, 1]."""
    # Points in the middles of subpixels, counted from the middle of the shape.
    points = (np.arange(side * _SUBPIXELS) + 0.5) / _SUBPIXELS - side / 2
    depth = _depth(shape, points[None, :], points[:, None], side / 2)
    inside = (depth > 0) & (depth <= _LINE_PIXELS) if outlined else depth > 0
    cover = inside.reshape(side, _SUBPIXELS, side, _SUBPIXELS).mean((1, 3)).astype(np.float32)
    cover.setflags(write=False)
    return cover


def _depth(shape: str, x: NDArray[Any], y: NDArray[Any], half: float) -> NDArray[Any]:
    """How far inside a shape of 2 * half pixels each point lies, in pixels; negative outside. y points down."""
    if shape == "circle":
        return half - np.hypot(x, y)
    if shape == "square":
        return half - np.maximum(abs(x), abs(y))
    if shape == "triangle":
        # From the apex above to the corners below, x grows by one where y grows by two.
        return np.minimum(half - y, ((y + half) / 2 - abs(x)) * 2 / 5**0.5)
    arm = half * 0.4
    upright = np.minimum(arm - abs(x), half - abs(y))
    lying = np.minimum(half - abs(x), arm - abs(y))
    return np.maximum(upright, lying)
