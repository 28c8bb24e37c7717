"""The table of classes and seeds in a browser."""

from __future__ import annotations

import numpy as np
from playwright.sync_api import Page, expect

from .conftest import Gallery, Opener, assert_usable, choose, made_by, shown


def draw(page: Page) -> None:
    page.get_by_role("button", name="Draw the table").click()


def test_a_cell_has_the_picture_of_its_row_and_column(open_page: Opener, gallery: Gallery) -> None:
    page = open_page("classes", url=gallery.url)
    choose(page, "tiny")
    page.get_by_role("button", name="None").click()
    draw(page)
    expect(page.get_by_role("alert").filter(has_text="Tick at least one class")).to_be_visible()
    for label in ("3", "8"):
        page.get_by_role("checkbox", name=label, exact=True).check()
    page.get_by_label("Seeds").fill(f"5 to 6, {2**63 - 1}")
    draw(page)
    expect(page.locator(".status")).to_contain_text("6 pictures in")
    table = page.get_by_role("table", name="tiny: classes and seeds")
    expect(table.get_by_role("columnheader")).to_have_text(["Class", "seed 5", "seed 6", f"seed {2**63 - 1}"])
    expect(table.get_by_role("rowheader")).to_have_text(["3", "8"])
    last = table.get_by_role("row").nth(2).get_by_role("img").last
    expect(last).to_have_attribute("alt", f"8, seed {2**63 - 1}")
    np.testing.assert_array_equal(shown(last), made_by(gallery, model="tiny", label=8, seed=2**63 - 1))
    assert_usable(page)


def test_prompts_are_rows_where_there_are_no_classes(open_page: Opener, gallery: Gallery) -> None:
    page = open_page("classes", url=gallery.url)
    choose(page, "flow")
    page.get_by_label("Prompts").fill("a red circle\n\na blue square\na red circle")
    page.get_by_label("Seeds").fill("1")
    page.get_by_label("Steps").fill("2")
    draw(page)
    expect(page.locator(".status")).to_contain_text("2 pictures in")
    expect(page.get_by_role("rowheader")).to_have_text(["a red circle", "a blue square"])


def test_a_model_that_starts_from_a_picture_is_sent_to_the_other_view(
    open_page: Opener, gallery: Gallery
) -> None:
    page = open_page("classes", url=gallery.url)
    choose(page, "inpaint")
    expect(page.get_by_role("main")).to_contain_text("starts from a picture: give it one under Edit")
    page.get_by_role("link", name="Open Edit").press("Enter")
    expect(page.get_by_role("button", name="Draw a sample")).to_be_visible()
