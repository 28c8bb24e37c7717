"""The explanation of a served bundle in a browser."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from litho.serving.clients.client import Client
from litho.signature.noise import gaussian

from .conftest import Gallery, Opener, assert_usable, choose, shown
from .explained import LATENT_SIZE, SEED


@pytest.fixture
def page(open_page: Opener, gallery: Gallery) -> Page:
    opened = open_page("explain", url=gallery.url)
    choose(opened, "tiny-latent")
    expect(opened.get_by_role("heading", name="What a picture hangs on")).to_be_visible()
    return opened


def test_causes_have_shares_by_both_methods_and_show_where_they_act(page: Page) -> None:
    causes = page.get_by_role("table", name="Causes")
    expect(causes.get_by_role("row", name="label 75 %")).to_be_visible()
    nearest = page.get_by_role("table", name="Other classes with the same seed, the nearest first")
    expect(nearest.get_by_role("rowheader")).to_have_text(["8", "5"])
    where = page.get_by_role("button", name="Show where “seed” acts")
    where.click()
    expect(where).to_have_attribute("aria-pressed", "true")
    # The map is coloured where it is bright.
    alpha = page.locator(".overlaid canvas").evaluate(
        "(canvas) => [0, canvas.width - 1].map((x) => canvas.getContext('2d').getImageData(x, 5, 1, 1).data[3])"
    )
    assert alpha[0] < 50 < 200 < alpha[1]
    where.click()
    expect(page.locator(".overlaid canvas")).to_be_hidden()
    page.get_by_role("radio", name="Integrated gradients").check()
    expect(causes.get_by_role("row", name="seed -15 %")).to_be_visible()
    expect(page.get_by_text("The numerical integral is off by 5.0 %.")).to_be_visible()
    assert_usable(page)


def test_words_are_marked_in_the_prompt_and_regions_in_the_source(page: Page) -> None:
    picture = page.get_by_label("Picture", exact=True)
    picture.select_option("words-0")
    expect(page.locator(".prompt mark")).to_have_text(["a10 %", "red60 %", "circle30 %"])
    expect(page.locator(".prompt")).to_have_text("a10 % red60 % circle30 %")
    picture.select_option("source-0")
    # Of many regions the first six, the most important one first.
    expect(page.get_by_role("table", name="Causes").get_by_role("rowheader")).to_have_text(
        [f"row {row}" for row in range(9, 3, -1)]
    )
    heat = page.locator(".overlaid canvas").first
    expect(heat).to_be_visible()
    page.get_by_label("Show the heat map").uncheck()
    expect(heat).to_be_hidden()
    assert_usable(page)


def test_a_slider_moves_the_latent_along_its_direction(page: Page, gallery: Gallery) -> None:
    tile = page.locator(".live litho-picture[data-state=finished] img")
    expect(tile).to_be_visible()
    slider = page.get_by_role("slider", name="slant (sefa-1)")
    latent = gaussian(np.array([SEED]), LATENT_SIZE)
    with Client(gallery.server, "tiny-latent") as client:
        start = client.generate(latent=latent, label=3)
        np.testing.assert_array_equal(shown(tile)[..., :1], start[0])
        slider.fill("3")
        latent[0, 0] += 3
        moved = client.generate(latent=latent, label=3)[0]
    assert not np.array_equal(moved, start[0])
    expect(page.locator("output").first).to_have_text("3.0")
    for _ in range(4800):
        if np.array_equal(shown(tile)[..., :1], moved):
            break
        page.wait_for_timeout(25)
    np.testing.assert_array_equal(shown(tile)[..., :1], moved)
    page.get_by_role("button", name="All sliders to 0").click()
    expect(slider).to_have_value("0")


def test_a_bundle_without_an_explanation_says_how_to_get_one(page: Page) -> None:
    choose(page, "flow")
    expect(page.get_by_role("main")).to_contain_text("litho evaluate RUN --explain")
