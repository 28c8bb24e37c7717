"""The page in the distribution's Chromium, without a screen, before real gateways."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from litho.serving.gateway.program import Program

Opener = Callable[..., Page]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
WAIT_MILLISECONDS = 20_000

# Playwright keeps an event loop in this thread, so the browser may live no longer than the tests of this folder.


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium; tests that need it are skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("the page is tested in Chromium, and this machine has none: apt-get install chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser, gateway: Program) -> Iterator[Opener]:
    """Opens the page in a fresh profile: `open_page(view="generate", url=..., width=..., **context options)`.

    At the end of a test nothing may have been written to the browser's console as an error, and no request may have
    gone to another host; `expected` lists parts of messages that a test causes on purpose.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []
    expected: list[str] = []

    def open_one(
        view: str = "generate", *, url: str = "", errors: tuple[str, ...] = (), **options: Any
    ) -> Page:
        address = url or gateway.url
        options = {"viewport": DESKTOP, "reduced_motion": "reduce", **options}
        context = browser.new_context(**options)
        contexts.append(context)
        expected.extend(errors)
        page = context.new_page()
        page.set_default_timeout(WAIT_MILLISECONDS)
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: complaints.extend(_outside(asked.url, address)))
        page.goto(f"{address}/#{view}")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert [said for said in complaints if not any(part in said for part in expected)] == []


def _outside(url: str, address: str) -> list[str]:
    return [] if url.startswith((address, "blob:", "data:")) else [f"request to another host: {url}"]


def serious_findings(page: Page) -> list[str]:
    """What axe-core finds of impact serious or critical: rule and elements."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return page.evaluate(
        "Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)"
    )
