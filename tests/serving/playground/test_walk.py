"""The latent walk in a browser: its frames at seeds are the pictures of these seeds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from .conftest import Gallery, Opener, assert_usable, choose, made_by, shown


@pytest.fixture
def page(open_page: Opener, gallery: Gallery) -> Page:
    opened = open_page("walk", url=gallery.url)
    choose(opened, "tiny-latent")
    for remove in opened.get_by_role("button", name="Leave this seed out").all()[2:]:
        remove.click()
    return opened


def make(page: Page, frames: int) -> None:
    page.get_by_role("button", name="Make the walk").click()
    expect(page.locator(".status")).to_have_text(f"{frames} frames")


def test_frames_at_seeds_are_the_pictures_of_these_seeds(page: Page, gallery: Gallery) -> None:
    page.get_by_label("Seed 1").fill("7")
    page.get_by_label("Seed 2").fill(str(2**63 - 1))
    page.get_by_label("Frames from one seed to the next").fill("4")
    page.get_by_label("Return to the first").uncheck()
    page.get_by_role("radio", name="3", exact=True).check()
    make(page, 5)
    large = page.locator(".stage img")
    np.testing.assert_array_equal(shown(large), made_by(gallery, model="tiny", seed=7, label=3))
    slider = page.get_by_role("slider", name="Frame")
    slider.focus()
    page.keyboard.press("ArrowRight")
    words = f"frame 2 of 5, 25 % of the way from seed 7 to seed {2**63 - 1}"
    expect(slider).to_have_attribute("aria-valuetext", words)
    assert not np.array_equal(shown(large), made_by(gallery, model="tiny", seed=7, label=3))
    page.keyboard.press("End")
    np.testing.assert_array_equal(shown(large), made_by(gallery, model="tiny", seed=2**63 - 1, label=3))
    page.get_by_role("button", name="Details").click()
    expect(page.get_by_role("dialog")).to_contain_text("tiny-latent")
    page.keyboard.press("Escape")
    assert_usable(page)


def test_a_walk_is_played_and_saved(page: Page, tmp_path: Path) -> None:
    page.get_by_role("button", name="Add a seed").click()
    page.get_by_label("Frames from one seed to the next").fill("2")
    make(page, 6)
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".position")).to_have_text(re.compile("Frame [3-6] of 6"))
    page.get_by_role("button", name="Pause").click()
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Save all frames").click()
    downloading.value.save_as(tmp_path / "walk.png")
    with Image.open(tmp_path / "walk.png") as sheet:
        assert sheet.size == (3 * 32, 2 * 32)
    page.get_by_role("button", name="Show seed 2", exact=True).click()
    expect(page.locator(".position")).to_contain_text("seed 2")


def test_what_is_no_walk_is_refused_in_a_sentence(page: Page) -> None:
    page.get_by_label("Seed 2").fill("-1")
    page.get_by_role("button", name="Make the walk").click()
    expect(page.get_by_role("alert").filter(has_text="-1 is no seed")).to_be_visible()
    expect(page.get_by_label("Seed 2")).to_be_focused()
    page.get_by_label("Seed 2").fill("2")
    page.get_by_label("Frames from one seed to the next").fill("0")
    page.get_by_role("button", name="Make the walk").click()
    expect(page.get_by_role("alert").filter(has_text="whole number from 1 to 60")).to_be_visible()


def test_a_model_without_a_latent_names_the_one_that_has_it(page: Page) -> None:
    choose(page, "tiny")
    expect(page.get_by_role("main")).to_contain_text("between two seeds there is nothing: choose tiny-latent")
    choose(page, "flow")
    expect(page.get_by_role("main")).to_contain_text("litho export RUN --input latent")
