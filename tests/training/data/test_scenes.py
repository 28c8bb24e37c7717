"""What a caption says is what the pixels show: measured from pixels by means that know nothing of the drawing."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from litho.training.data.scenes import (
    COLOURS,
    GAP,
    HELD_OUT,
    OBJECTS,
    RELATIONS,
    SHAPES,
    SIDE,
    SIZES,
    Scene,
    arrange,
    draw,
    read_scene,
)

scenes = st.builds(
    Scene, st.sampled_from(OBJECTS), st.sampled_from(list(RELATIONS)), st.sampled_from(OBJECTS)
)
chances = st.lists(st.floats(0, 1, exclude_max=True), min_size=4, max_size=4)


def boxes(picture: NDArray[np.uint8]) -> list[tuple[slice, slice]]:
    """The boxes around what is not white."""
    patches, _ = ndimage.label((picture < 250).any(axis=2), np.ones((3, 3)))
    return ndimage.find_objects(patches)


@given(scenes, chances)
def test_the_pixels_show_what_the_caption_says(scene: Scene, where: list[float]) -> None:
    picture = draw(scene, arrange(scene, where))
    words = scene.caption.replace(scene.relation, "|").split()
    described = [words[1:4], words[6:9]]  # a SIZE COLOUR SHAPE | a SIZE COLOUR SHAPE
    found = boxes(picture)
    assert len(found) == 2
    # In reading order of the relation: the thing that is said first is found first, or last.
    axis = 1 if scene.relation in ("left of", "right of") else 0
    found.sort(key=lambda box: box[axis].start)
    if scene.relation in ("right of", "below"):
        found.reverse()
    for (size, colour, shape), box in zip(described, found, strict=True):
        patch = picture[box]
        assert patch.shape[:2] == (SIZES[size], SIZES[size])
        middle = patch.shape[0] // 2
        assert tuple(patch[middle, middle]) == COLOURS[colour]
        assert kind_of(patch.min(axis=2) < (min(COLOURS[colour]) + 255) / 2) == shape
    near, far = sorted(found, key=lambda box: box[axis].start)
    assert far[axis].start - near[axis].stop >= GAP
    middles = [[(side.start + side.stop) / 2 for side in box] for box in found]
    across, along = abs(middles[0][1 - axis] - middles[1][1 - axis]), abs(middles[0][axis] - middles[1][axis])
    assert across <= along / 2


def kind_of(inked: NDArray[np.bool_]) -> str:
    """The shape of a patch, from which corners and edges of its box have ink."""
    last = len(inked) - 1
    top, bottom = inked[0, 0] and inked[0, last], inked[last, 0] and inked[last, last]
    if top and bottom:
        return "square"
    if bottom:
        return "triangle"
    # A quarter in from the corner along the diagonal a circle has ink and a cross has none.
    quarter = round(last * 0.22)
    return "circle" if inked[quarter, quarter] else "cross"


@given(scenes, chances)
def test_a_picture_is_read_back_as_its_scene(scene: Scene, where: list[float]) -> None:
    assert read_scene(draw(scene, arrange(scene, where))) == scene.canonical


@given(scenes, chances, st.integers(0, 2**32 - 1))
def test_reading_stands_dirt(scene: Scene, where: list[float], seed: int) -> None:
    picture = draw(scene, arrange(scene, where))
    noisy = picture + np.random.default_rng(seed).normal(0, 12, picture.shape)
    assert read_scene(noisy.clip(0, 255).astype(np.uint8)) == scene.canonical


@given(scenes, chances)
def test_outlines_lie_where_the_filled_things_lie_and_are_thin(scene: Scene, where: list[float]) -> None:
    places = arrange(scene, where)
    filled, outlined = draw(scene, places), draw(scene, places, outlined=True)
    assert boxes(filled) == boxes(outlined)
    ink_of_filled, ink_of_outlined = 255 - filled.astype(int), 255 - outlined.astype(int)
    assert (ink_of_outlined <= ink_of_filled).all()
    assert ink_of_outlined.sum() < 0.95 * ink_of_filled.sum()


@given(scenes)
def test_a_caption_is_parsed_back_to_its_scene(scene: Scene) -> None:
    assert Scene.parse(scene.caption) == scene
    assert scene.canonical.canonical == scene.canonical
    assert scene.canonical in (scene, Scene(scene.second, RELATIONS[scene.relation], scene.first))


@pytest.mark.parametrize(
    "text", ["", "a cat", "a small red circle", "a small red circle near a large blue cross"]
)
def test_other_texts_are_no_captions(text: str) -> None:
    with pytest.raises(ValueError, match="is not the caption of a scene"):
        Scene.parse(text)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_pictures_of_something_else_are_no_scenes(value: int) -> None:
    assert read_scene(np.full((SIDE, SIDE, 3), value, np.uint8)) is None
    noise = np.random.default_rng(value).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    assert read_scene(noise) is None


def test_one_thing_or_three_are_no_scene() -> None:
    scene = Scene(OBJECTS[0], "left of", OBJECTS[1])
    picture = draw(scene, arrange(scene, [0, 0, 0, 0]))
    first, second = boxes(picture)
    alone = picture.copy()
    alone[second] = 255
    assert read_scene(alone) is None
    three = picture.copy()
    three[-8:-1, -8:-1] = picture[first]
    assert read_scene(three) is None


def test_a_patch_of_no_shape_is_not_taken_for_one() -> None:
    scene = Scene(OBJECTS[0], "left of", OBJECTS[1])
    picture = draw(scene, arrange(scene, [0, 0, 0, 0]))
    picture[20:22, 2:30] = (220, 40, 40)
    picture[boxes(picture)[0]] = 255
    assert read_scene(picture) is None


def test_every_pair_of_a_held_out_things_attributes_is_trained_on() -> None:
    common = [thing for thing in OBJECTS if thing not in HELD_OUT]
    assert len(common) == len(SIZES) * len(COLOURS) * len(SHAPES) - len(HELD_OUT) == 42
    for thing in HELD_OUT:
        for one, other in (("size", "colour"), ("size", "shape"), ("colour", "shape")):
            pair = (getattr(thing, one), getattr(thing, other))
            assert pair in {(getattr(seen, one), getattr(seen, other)) for seen in common}
