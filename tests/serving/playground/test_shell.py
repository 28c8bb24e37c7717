"""The shell of the page in a browser: models, key, colours, errors, and what a screen reader and a keyboard get."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .conftest import DESKTOP, PHONE, Opener, overflow, serious_findings


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_has_no_serious_finding_and_fits_its_window(
    open_page: Opener, scheme: str, window: dict[str, int]
) -> None:
    page = open_page(viewport=window, color_scheme=scheme)
    expect(page.get_by_role("button", name="Generate")).to_be_visible()
    assert serious_findings(page) == []
    assert overflow(page) == 0


def test_the_chosen_colours_stay(open_page: Opener) -> None:
    page = open_page(color_scheme="light")
    for theme in ("light", "dark"):
        page.get_by_role("button", name="Colours").click()
        assert page.evaluate("document.documentElement.dataset.theme") == theme
    page.reload()
    expect(page.locator("body")).to_have_css("color-scheme", "dark")
    page.get_by_role("button", name="Colours").click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")
