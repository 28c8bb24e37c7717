"""The shell of the page in a browser: models, key, colours, errors, and what a screen reader and a keyboard get."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from litho.serving.gateway.protection.keys import KeyFile
from litho.serving.server.embedded import EmbeddedServer

from ...conftest import running_gateway
from .conftest import DESKTOP, PHONE, WAIT_MILLISECONDS, Opener, overflow, serious_findings

NARROW = {"width": 320, "height": 640}
"""As WCAG 2.2 asks for: a page that is enlarged four times needs no scrolling to the side."""


@pytest.mark.parametrize(
    ("scheme", "window"), [("light", DESKTOP), ("dark", PHONE)], ids=["desktop", "phone"]
)
def test_the_page_has_no_serious_finding_and_fits_its_window(
    open_page: Opener, scheme: str, window: dict[str, int]
) -> None:
    page = open_page(viewport=window, color_scheme=scheme)
    expect(page.get_by_role("button", name="Generate")).to_be_visible()
    assert serious_findings(page) == []
    assert overflow(page) == 0


def test_every_tab_opens_its_view_and_is_marked_in_a_narrow_window(open_page: Opener) -> None:
    page = open_page(viewport=NARROW, color_scheme="dark")
    tabs = page.get_by_role("navigation", name="Views").get_by_role("link")
    expect(tabs.first).to_have_attribute("aria-current", "page")
    titles = tabs.all_inner_texts()
    assert titles[0] == "Generate"
    for title in titles:
        page.get_by_role("link", name=title, exact=True).click()
        expect(page).to_have_title(f"{title} · litho")
        expect(page.locator("[aria-current=page]")).to_have_text(title)
        expect(page.locator("[aria-current=page]")).to_be_in_viewport()
        expect(page.locator(".view > *").first).to_be_attached()
        assert overflow(page) == 0, title
    page.go_back()
    expect(page).to_have_title(f"{titles[-2]} · litho")


def test_the_chosen_colours_stay(open_page: Opener) -> None:
    page = open_page(color_scheme="light")
    for theme in ("light", "dark"):
        page.get_by_role("button", name="Colours").click()
        assert page.evaluate("document.documentElement.dataset.theme") == theme
    page.reload()
    expect(page.locator("body")).to_have_css("color-scheme", "dark")
    page.get_by_role("button", name="Colours").click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")


def test_a_server_that_is_down_is_said_and_looked_for_again(open_page: Opener) -> None:
    with running_gateway("grpc://127.0.0.1:1") as program:
        page = open_page(url=program.url, errors=("Failed to load resource",))
        expect(page.get_by_role("alert")).to_contain_text("status 503")
        assert serious_findings(page) == []
        with page.expect_response("**/v1/models") as looked:
            page.get_by_role("button", name="Try again").click()
        assert looked.value.status == 503
        expect(page.get_by_role("alert")).to_contain_text("status 503")


def test_a_key_is_asked_for_kept_and_forgotten(
    open_page: Opener, server: EmbeddedServer, tmp_path: Path
) -> None:
    store = KeyFile(tmp_path / "keys.json")
    key, _ = store.create("page")
    with running_gateway(server.grpc_url, keys=store.path) as program:
        page = open_page(url=program.url, errors=("Failed to load resource",))
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        assert serious_findings(page) == []
        page.get_by_label("Key", exact=True).fill("litho_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("status 401")
        expect(dialog).to_be_visible()
        page.get_by_label("Key", exact=True).fill(key)
        page.get_by_role("button", name="Use this key").click()
        page.get_by_role("button", name="Generate").click()
        expect(page.locator("litho-picture[data-state=finished]")).to_have_count(4)
        page.locator("litho-picture button.frame").first.click()
        code = page.get_by_role("region", name="Code").inner_text()
        assert "LITHO_API_KEY" in code
        assert key not in page.content()
        assert key not in page.evaluate("JSON.stringify(localStorage)")
        page.keyboard.press("Escape")
        page.reload()
        expect(page.get_by_role("button", name="Generate")).to_be_visible()
        page.get_by_role("button", name="API key").click()
        page.get_by_role("button", name="Forget it").click()
        expect(page.get_by_role("alert")).to_contain_text("status 401")


def test_a_server_that_is_killed_is_said_in_every_view_and_found_again_without_a_reload(
    open_page: Opener, repository: Path, tmp_path: Path
) -> None:
    with (
        EmbeddedServer(repository, log=tmp_path / "first.log") as server,
        running_gateway(server.grpc_url, refresh_seconds=0.2) as program,
    ):
        page = open_page(url=program.url, errors=("Failed to load resource",))
        pictures = page.locator("litho-picture[data-state=finished]")
        page.get_by_role("button", name="Generate").click()
        expect(pictures).to_have_count(4, timeout=WAIT_MILLISECONDS)
        os.killpg(server.process_id, signal.SIGKILL)
        page.get_by_role("button", name="Generate").click()
        expect(page.get_by_role("alert")).to_contain_text("status 503", timeout=WAIT_MILLISECONDS)
        expect(page.locator("litho-picture[data-state=failed]")).to_have_count(4, timeout=WAIT_MILLISECONDS)
        assert serious_findings(page) == []
        page.get_by_role("link", name="Class × seed").click()
        page.get_by_role("button", name="Draw the table").click()
        expect(page.get_by_role("alert")).to_contain_text("status 503", timeout=WAIT_MILLISECONDS)
        port = int(server.grpc_url.rpartition(":")[2])
        with EmbeddedServer(repository, grpc_port=port, log=tmp_path / "second.log"):
            while page.request.get(f"{program.url}/readyz").status != 200:
                page.wait_for_timeout(50)
            page.get_by_role("button", name="Try again").click()
            expect(pictures).to_have_count(60, timeout=WAIT_MILLISECONDS)
            expect(page.get_by_role("alert")).to_be_hidden()


def test_a_gateway_that_is_gone_is_said(open_page: Opener) -> None:
    page = open_page(errors=("Failed to load resource",))
    expect(page.get_by_role("button", name="Generate")).to_be_visible()
    page.context.set_offline(True)
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("litho-picture[data-state=finished]")).to_have_count(4)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_requests_and_answers_keep_every_digit_and_events_every_byte(open_page: Opener) -> None:
    page = open_page()
    expect(page.get_by_role("button", name="Generate")).to_be_visible()
    text = '{"a": 9223372036854775807, "t": "x \\"seed\\": 9223372036854775807,", "s": [{"seed" : 12}]}'
    read = page.evaluate("text => import('/playground/api.js').then((api) => api.parseJson(text))", text)
    assert read == {"a": str(2**63 - 1), "t": 'x "seed": 9223372036854775807,', "s": [{"seed": 12}]}
    body = {"seed": str(2**63 - 1), "prompt": "123", "label": 3, "steps": None, "latent": [0.5, -1]}
    written = page.evaluate("body => import('/playground/api.js').then((api) => api.bodyJson(body))", body)
    assert written == '{"seed": 9223372036854775807, "prompt": "123", "label": 3, "latent": [0.5,-1]}'
    events = page.evaluate(_READ_EVENTS, [list(part.encode()) for part in _PARTS])
    assert events == [{"event": "one", "data": {"prompt": "ü"}}, {"event": "two", "data": {"n": 2}}]


_PARTS = (
    ': hello\n\nevent: one\r\ndata: {"prompt":',
    ' "',
    "ü",
    '"}\r\n',
    '\r\nevent: two\ndata: {"n":\ndata: 2}',
)
"""Events in pieces as a network may cut them; the last one has two lines of data and no end."""

_READ_EVENTS = """async (parts) => {
    const { serverEvents } = await import("/playground/api.js");
    const cut = parts.flatMap((part) => part.map((byte) => new Uint8Array([byte])));
    const start = (control) => { cut.forEach((one) => control.enqueue(one)); control.close(); };
    const source = new ReadableStream({ start });
    const found = [];
    for await (const event of serverEvents(new Response(source))) found.push(event);
    return found;
}"""


def test_no_tab_moves_when_another_is_chosen(open_page: Opener) -> None:
    page = open_page()
    tabs = page.get_by_role("navigation", name="Views").get_by_role("link")
    expect(tabs.first).to_have_attribute("aria-current", "page")

    def places() -> list[float]:
        return tabs.evaluate_all("(tabs) => tabs.map((tab) => tab.getBoundingClientRect().x)")

    before = places()
    for title in tabs.all_inner_texts():
        page.get_by_role("link", name=title, exact=True).click()
        expect(page.locator("[aria-current=page]")).to_have_text(title)
        assert places() == before


def test_what_failed_for_a_time_is_tried_again_with_all_that_was_typed(open_page: Opener) -> None:
    page = open_page("classes", errors=("Failed to load resource",))
    page.get_by_label("Seeds").fill("7")
    page.context.set_offline(True)
    page.get_by_role("button", name="Draw the table").click()
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("litho-picture[data-state=finished]")).to_have_count(10)
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_role("textbox", name="Seeds")).to_have_value("7")
