"""The grid of guidance and steps in a browser."""

from __future__ import annotations

import re
from itertools import count

import numpy as np
from playwright.sync_api import expect

from .conftest import Gallery, Opener, assert_usable, choose, made_by, shown


def test_guidance_and_steps_make_a_grid_of_one_seed(open_page: Opener, gallery: Gallery) -> None:
    page = open_page("guidance", url=gallery.url)
    choose(page, "flow")
    page.get_by_label("Prompt").fill("a red circle")
    page.get_by_label("Values of rows").fill("0, 4.5")
    page.get_by_label("Values of columns").fill("1 to 3 by 2")
    page.get_by_label("Seed", exact=True).fill("9")
    page.get_by_label("One after the other, with times").check()
    page.get_by_role("button", name="Draw the grid").click()
    expect(page.locator(".status")).to_contain_text("4 pictures in")
    expect(page.get_by_role("rowheader")).to_have_text(["guidance 0", "guidance 4.5"])
    cells = page.get_by_role("cell")
    expect(cells).to_have_text([re.compile(r"^\d+ ms$")] * 4)
    expected = made_by(gallery, model="flow", prompt="a red circle", guidance=4.5, steps=3, seed=9)
    np.testing.assert_array_equal(shown(cells.last.get_by_role("img")), expected)
    assert_usable(page)


def test_one_number_is_drawn_against_seeds_and_wrong_ones_are_refused(
    open_page: Opener, gallery: Gallery
) -> None:
    page = open_page("guidance", url=gallery.url)
    choose(page, "tiny")
    page.get_by_label("Values of rows").fill("0, 2")
    page.get_by_role("button", name="Draw the grid").click()
    expect(page.get_by_role("alert").filter(has_text="2 is not within 0 to 1")).to_be_visible()
    page.get_by_label("Values of rows").fill("0 to 1 by 0.5")
    page.get_by_role("button", name="Draw the grid").click()
    expect(page.locator(".status")).to_contain_text("9 pictures in")
    first = [shown(page.get_by_role("row").nth(1).get_by_role("img").nth(column)) for column in range(2)]
    # Without noise all seeds give the same picture.
    np.testing.assert_array_equal(*first)
    page.get_by_label("Columns", exact=True).select_option("truncation")
    page.get_by_role("button", name="Draw the grid").click()
    expect(page.get_by_role("alert").filter(has_text="Rows and columns are the same")).to_be_visible()


def test_what_is_under_way_is_stopped_and_nothing_is_left_waiting(
    open_page: Opener, gallery: Gallery
) -> None:
    page = open_page("guidance", url=gallery.url)
    choose(page, "flow")
    page.get_by_label("Prompt").fill("a red circle")
    page.get_by_label("Values of rows").fill("0 to 9")
    page.get_by_label("Values of columns").fill("55 to 64")
    # The first three are answered and the others are not, however fast the server is.
    numbers = count()
    page.route("**/v1/images/generations", lambda route: route.continue_() if next(numbers) < 3 else None)
    page.get_by_label("Values of columns").press("Enter")
    expect(page.locator("litho-picture[data-state=finished]").first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".status")).to_have_text("Stopped")
    expect(page.get_by_role("button", name="Draw the grid")).to_be_visible()
    expect(page.locator("litho-picture[data-state=waiting]")).to_have_count(0)
    expect(page.locator("litho-picture[data-state=failed]").first).to_contain_text("not made")
    page.unroute("**/v1/images/generations")
    page.get_by_label("Values of rows").fill("1")
    page.get_by_label("Values of columns").fill("2")
    page.get_by_label("Values of columns").press("Enter")
    expect(page.locator(".status")).to_contain_text("1 picture in")
