"""Scenes of two shapes on white: captions, drawing, and reading a scene from pixels.

A scene has two objects, each with a size, a colour and a shape, and the relation of the first to the second:

    a small red circle left of a large blue square

At least `GAP` white pixels separate the objects, and the distance of their centres along the axis of the relation is
at least twice that across it, so that exactly one of the four relations holds. A picture has two captions ("a large
blue square right of a small red circle"); `Scene.canonical` starts with the left or upper object.
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
"""Least number of white pixels between the objects, and around them."""

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
"""Size -> height and width of the object in pixels."""

RELATIONS = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
"""Relation -> the relation seen from the other object."""

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
"""All 48 combinations."""

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
"""Not in the training data, unlike every pair of their attributes (a large red circle, a small red cross, a small blue
circle): drawing them needs a new combination of known attributes."""


@dataclass(frozen=True)
class Scene:
    """Two objects: `first` is `relation` (a key of `RELATIONS`) `second`."""

    first: SceneObject
    relation: str
    second: SceneObject

    @property
    def caption(self) -> str:
        """The caption of the scene."""
        return f"a {self.first} {self.relation} a {self.second}"

    @property
    def canonical(self) -> Scene:
        """The same scene, starting with the left or upper object."""
        if self.relation in ("left of", "above"):
            return self
        return Scene(self.second, RELATIONS[self.relation], self.first)

    @classmethod
    def parse(cls, caption: str) -> Self:
        """Parse a caption.

        Raises:
            ValueError: the text is not the caption of a scene.
        """
        for relation in RELATIONS:
            before, _, after = caption.partition(f" {relation} ")
            objects = [_OBJECT_OF.get(part) for part in (before, after)]
            if objects[0] and objects[1]:
                return cls(objects[0], relation, objects[1])
        raise ValueError(
            f"{caption!r} is not the caption of a scene, such as 'a small red circle above a large blue cross'"
        )


_OBJECT_OF = {f"a {item}": item for item in OBJECTS}


@dataclass(frozen=True)
class Positions:
    """Row and column of the upper left corner of each object, in pixels from 0."""

    first: tuple[int, int]
    second: tuple[int, int]


def arrange(scene: Scene, chances: Sequence[float]) -> Positions:
    """Choose positions that fit the caption of a scene.

    Args:
        scene: the scene.
        chances: four random numbers in [0, 1), one per coordinate.
    """
    ordered = scene.canonical
    near, far = SIZES[ordered.first.size], SIZES[ordered.second.size]
    slack = SIDE - 2 * MARGIN - GAP - near - far
    before = _pick(0, slack, chances[0])
    between = _pick(0, slack - before, chances[1])
    along = (MARGIN + before, MARGIN + before + near + GAP + between)
    # Across the axis the centres may differ by at most half their distance along it.
    most = ((along[1] - along[0]) * 2 + far - near) // 4
    across_near = _pick(MARGIN, SIDE - MARGIN - near, chances[2])
    level = across_near + (near - far) // 2
    lowest, highest = max(MARGIN, level - most), min(SIDE - MARGIN - far, level + most)
    across_far = _pick(lowest, highest, chances[3])
    corners = [(across_near, along[0]), (across_far, along[1])]
    if ordered.relation == "above":
        corners = [(along[0], across_near), (along[1], across_far)]
    return Positions(*corners) if ordered == scene else Positions(*reversed(corners))


def draw(scene: Scene, positions: Positions, *, outlined: bool = False) -> NDArray[np.uint8]:
    """Draw a scene.

    Args:
        scene: the scene.
        positions: of its objects, from `arrange`.
        outlined: draw outlines in the objects' colours instead of filling them.

    Returns:
        UINT8 of shape (32, 32, 3), on white.
    """
    picture = np.full((SIDE, SIDE, 3), _WHITE, np.float32)
    for item, (row, column) in ((scene.first, positions.first), (scene.second, positions.second)):
        cover = _coverage(item.shape, SIZES[item.size], outlined)[..., None]
        part = picture[row : row + len(cover), column : column + len(cover)]
        part += cover * (np.array(COLOURS[item.colour], np.float32) - part)
    return picture.round().astype(np.uint8)


def read_scene(picture: NDArray[np.uint8]) -> Scene | None:
    """Read the scene of a picture of filled objects from its pixels.

    An object is a connected patch that is not white; its colour is the nearest to the patch's median, its size and
    shape are those whose drawing overlaps the patch best (soft intersection over union).

    Args:
        picture: UINT8 of shape (32, 32, 3).

    Returns:
        The canonical scene; None unless the picture shows exactly two objects of known shape.
    """
    ink = (_WHITE - picture.astype(np.float32)).max(axis=2)
    patches, count = require("scipy.ndimage", "train").label(ink > _INK, np.ones((3, 3)))
    sizes = np.bincount(patches.ravel(), minlength=count + 1)[1:]
    largest = [number + 1 for number in np.flatnonzero(sizes >= _SPECK_PIXELS)]
    if len(largest) != 2:
        return None
    first, second = (_read_object(picture, patches == number) for number in largest)
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


def _read_object(
    picture: NDArray[np.uint8], patch: NDArray[np.bool_]
) -> tuple[SceneObject, NDArray[np.float64]] | None:
    """The object of a patch, and the centre of its bounding box: (row, column)."""
    names = list(COLOURS)
    colours = np.array([COLOURS[name] for name in names], np.float32)
    value = np.median(picture[patch].astype(np.float32), axis=0)
    nearest = int(np.square(colours - value).sum(1).argmin())
    rows, columns = np.flatnonzero(patch.any(1)), np.flatnonzero(patch.any(0))
    middle = np.array([rows[0] + rows[-1], columns[0] + columns[-1]]) / 2
    # Dilated by one pixel, to include the faint pixels of the edge.
    near = require("scipy.ndimage", "train").binary_dilation(patch, np.ones((3, 3)))
    cover = np.where(near, (_WHITE - picture.astype(np.float32)) @ (_WHITE - colours[nearest]), 0)
    cover = (cover / np.square(_WHITE - colours[nearest]).sum()).clip(0, 1)
    overlap, size, shape = max(
        (_overlap(cover, _coverage(shape, SIZES[size], False), middle), size, shape)
        for size, shape in product(SIZES, SHAPES)
    )
    return (SceneObject(size, names[nearest], shape), middle) if overlap >= _LEAST_OVERLAP else None


def _overlap(cover: NDArray[Any], drawing: NDArray[Any], middle: NDArray[np.float64]) -> float:
    """Soft intersection over union of a patch and a drawing, at the best position near the patch's centre."""
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
    """Share of each pixel that a shape covers: FP32 of shape (side, side) in [0, 1]."""
    # Centres of subpixels, relative to the centre of the shape.
    points = (np.arange(side * _SUBPIXELS) + 0.5) / _SUBPIXELS - side / 2
    depth = _depth(shape, points[None, :], points[:, None], side / 2)
    inside = (depth > 0) & (depth <= _LINE_PIXELS) if outlined else depth > 0
    cover = inside.reshape(side, _SUBPIXELS, side, _SUBPIXELS).mean((1, 3)).astype(np.float32)
    cover.setflags(write=False)
    return cover


def _depth(shape: str, x: NDArray[Any], y: NDArray[Any], half: float) -> NDArray[Any]:
    """Distance in pixels of each point inside a shape of 2 * half pixels; negative outside. y points down."""
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
