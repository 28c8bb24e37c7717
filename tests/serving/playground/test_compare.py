"""Two models side by side in a browser."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Route, expect

from litho.serving.gateway.errors import ApiError, unavailable

from .conftest import Gallery, Opener, assert_usable, choose


def compare(page: Page, other: str) -> None:
    page.get_by_label("B", exact=True).select_option(other)
    page.get_by_label("Times each").fill("2")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".three litho-picture[data-state=finished]")).to_have_count(2)


def test_equal_models_draw_the_same_picture_and_are_timed(open_page: Opener, gallery: Gallery) -> None:
    page = open_page("compare", url=gallery.url)
    choose(page, "tiny")
    expect(page.get_by_label("B", exact=True)).to_have_value("twin")
    compare(page, "twin")
    expect(page.locator(".verdict")).to_have_text("The same picture: all pixels are identical.")
    facts = page.get_by_role("table", name="Both models")
    expect(facts.get_by_role("row", name="Latency").get_by_role("cell")).to_have_text(
        [re.compile(r"^\d+\.\d ms$")] * 2
    )
    expect(facts.get_by_role("row", name="Grade").get_by_role("cell")).to_have_text(["same picture"] * 2)
    assert_usable(page)


def test_the_latent_of_one_is_made_from_the_seed_of_the_other(open_page: Opener, gallery: Gallery) -> None:
    page = open_page("compare", url=gallery.url)
    choose(page, "tiny-latent")
    compare(page, "tiny")
    expect(page.locator(".verdict")).to_have_attribute("data-same", "true")


def test_a_difference_is_amplified_and_put_into_words(open_page: Opener, gallery: Gallery) -> None:
    page = open_page("compare", url=gallery.url)
    choose(page, "tiny")
    compare(page, "tiny-latent")
    page.get_by_role("slider", name="Amplified").fill("64")
    expect(page.locator("output")).to_have_text("64 times")
    expect(
        page.get_by_role("img", name=re.compile("amplified 64 times; the largest is [01] grey"))
    ).to_be_visible()
    page.get_by_label("B", exact=True).select_option("flow")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".wrong:visible").first).to_have_text(re.compile("Prompt is empty"))
    page.get_by_role("group", name="Only flow").get_by_label("Prompt").fill("a red circle")
    compare(page, "flow")
    expect(page.locator(".verdict")).to_contain_text("different sizes")
    page.get_by_label("B", exact=True).select_option("tiny")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("alert").filter(has_text="A and B are the same model")).to_be_visible()


def answered(route: Route, error: ApiError) -> None:
    route.fulfill(status=error.status, headers=error.headers, json=error.document())


def test_a_server_that_is_down_is_told_at_once_and_a_busy_one_is_asked_again(
    open_page: Opener, gallery: Gallery
) -> None:
    page = open_page("compare", url=gallery.url, errors=("503",))
    choose(page, "tiny")
    asked: list[str] = []

    def down(route: Route) -> None:
        asked.append("down")
        answered(route, unavailable("the model cannot be reached at the moment", "server_unavailable"))

    page.route("**/v1/images/generations", down)
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("alert").filter(has_text="status 503")).to_be_visible()
    assert asked == ["down"]
    page.unroute("**/v1/images/generations")
    page.route(
        "**/v1/images/generations",
        lambda route: answered(
            route, unavailable("the model has more requests than it can queue", "server_busy")
        ),
        times=1,
    )
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".verdict")).to_have_attribute("data-same", "true")
