"""Augmentations: effect on an image, gradients, and probabilities."""

import pytest
import torch
from hypothesis import given, settings, strategies as st

from litho.errors import UsageError
from litho.training.objectives.augment import (
    AUGMENTATIONS,
    adapt_probability,
    augment,
    augment_jointly,
    random_shift,
)
from litho.training.presets import resolve
from litho.training.randomness import Draw

ALL = ",".join(AUGMENTATIONS)


def draw(batch: int, step: int = 0) -> Draw:
    return Draw(0, step, batch, slice(None))


def pictures(batch: int, channels: int = 3, side: int = 16) -> torch.Tensor:
    return torch.rand(batch, channels, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


@settings(max_examples=20)
@given(
    st.sampled_from(["", *AUGMENTATIONS, ALL]), st.integers(1, 5), st.sampled_from([1, 3]), st.integers(1, 17)
)
def test_shape_and_dtype_stay_and_a_draw_decides_everything(
    changes: str, batch: int, channels: int, side: int
) -> None:
    images = pictures(batch, channels, side)
    changed = augment(images, draw(batch), changes)
    assert (changed.shape, changed.dtype) == (images.shape, images.dtype)
    assert torch.isfinite(changed).all()
    assert torch.equal(changed, augment(images, draw(batch), changes))


def test_each_image_is_changed_by_its_own_chance() -> None:
    images = pictures(1).expand(8, -1, -1, -1)
    for changes in AUGMENTATIONS:
        changed = augment(images, draw(8), changes)
        assert len({image.numpy().tobytes() for image in changed}) > 4, changes


def test_every_process_changes_its_part_as_one_alone_would() -> None:
    images = pictures(8)
    whole = augment(images, draw(8), ALL, 0.5)
    parts = [augment(images[part], Draw(0, 0, 8, part), ALL, 0.5) for part in (slice(0, 4), slice(4, 8))]
    assert torch.equal(torch.cat(parts), whole)


def test_gradients_pass_but_through_what_is_cut_out() -> None:
    images = torch.ones(64, 1, 16, 16, requires_grad=True)
    augment(images, draw(64), "cutout").sum().backward()
    shares = images.grad.flatten(1).mean(1)
    # A whole rectangle takes a quarter; one whose middle lies in a corner a sixteenth.
    assert shares.min() == pytest.approx(0.75)
    assert 0.9 < shares.max() <= 0.95
    images.grad = None
    augment(images, draw(64), "colour,translation").sum().backward()
    assert (images.grad.flatten(1).abs().sum(1) > 0).all()


def test_colours_keep_the_form_of_grey_pictures() -> None:
    images = pictures(32, 1)
    changed = augment(images, draw(32), "colour")
    # Of grey pictures only contrast and brightness change: a straight line from old to new.
    contrast = changed.flatten(1).std(1) / images.flatten(1).std(1)
    assert 0.5 <= contrast.min() < 0.6
    assert 1.4 < contrast.max() <= 1.5
    shift = (changed - images).flatten(1).mean(1)
    assert -0.5 <= shift.min() < -0.4
    assert 0.4 < shift.max() <= 0.5


def test_a_move_is_at_most_an_eighth_and_fills_with_the_edge() -> None:
    columns = torch.arange(16.0).expand(64, 1, 16, 16)
    moved = augment(columns, draw(64), "translation")
    offsets = moved[:, 0, 0, 8] - 8
    assert set(offsets.tolist()) == {-2.0, -1.0, 0.0, 1.0, 2.0}
    assert moved.min() == 0
    assert moved.max() == 15
    assert torch.equal(random_shift(columns, draw(64), 0), columns)


def test_a_change_is_as_frequent_as_it_is_probable() -> None:
    images = torch.ones(2000, 1, 4, 4)
    for probability in (0.0, 0.3, 1.0):
        changed = augment(images, draw(2000), "cutout", torch.tensor(probability))
        share = (changed != 1).flatten(1).any(1).float().mean().item()
        # A standard deviation of the share is 0.01.
        assert share == pytest.approx(probability, abs=0.04 * (0 < probability < 1))


def test_the_probability_goes_where_the_sign_points_and_stays_between_0_and_1() -> None:
    assert adapt_probability(0.5, sign=0.9, target=0.6, batch=10, rise_nimg=100) == pytest.approx(0.6)
    assert adapt_probability(0.5, sign=0.2, target=0.6, batch=10, rise_nimg=100) == pytest.approx(0.4)
    assert adapt_probability(0.5, sign=0.6, target=0.6, batch=10, rise_nimg=100) == 0.5
    assert adapt_probability(0.95, sign=1.0, target=0.6, batch=10, rise_nimg=100) == 1.0
    assert adapt_probability(0.05, sign=-1.0, target=0.6, batch=10, rise_nimg=100) == 0.0


def test_names_are_put_in_order_and_unknown_ones_refused() -> None:
    assert resolve("cgan-digits", overrides={"augment": " cutout, colour"}).augment == "colour,cutout"
    with pytest.raises(
        UsageError, match=r"'augment' was given 'color'; unknown augmentation 'color'; expected some of"
    ):
        resolve("cgan-digits", overrides={"augment": "color"})


def test_a_pair_is_shifted_and_mirrored_alike() -> None:
    images = torch.rand(8, 3, 12, 12)
    some, others = augment_jointly(draw(8), 2, images, images[:, :1])
    assert some.shape == images.shape
    assert torch.equal(some[:, :1], others)
    moved = [not torch.equal(one, image) for one, image in zip(some, images, strict=True)]
    assert sum(moved) >= 6


def test_joint_augmentation_mirrors_some_images_and_not_others() -> None:
    images = torch.rand(16, 1, 4, 4)
    (changed,) = augment_jointly(draw(16), 0, images)
    mirrored = [torch.equal(one, image.flip(2)) for one, image in zip(changed, images, strict=True)]
    same = [torch.equal(one, image) for one, image in zip(changed, images, strict=True)]
    assert all(one != other for one, other in zip(mirrored, same, strict=True))
    assert 2 <= sum(mirrored) <= 14
