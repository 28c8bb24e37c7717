"""The page in the distribution's Chromium, without a screen, before real gateways."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from litho.serving.gateway.program import Program

from ...conftest import running_gateway

Opener = Callable[..., Page]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
WAIT_MILLISECONDS = 120_000
expect.set_options(timeout=WAIT_MILLISECONDS)

# Playwright keeps an event loop in this thread, and asyncio.run of other tests would refuse to work beside it: the
# browser lives no longer than the tests of one file.


@pytest.fixture(scope="module")
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


def assert_usable(page: Page) -> None:
    """Nothing serious for axe-core and nothing outside the window, on a desktop in light and on a phone in dark."""
    for window, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
        page.set_viewport_size({**window})
        page.emulate_media(color_scheme=scheme)
        assert serious_findings(page) == [], (window, scheme)
        assert overflow(page) == 0, (window, scheme)


class Gallery(NamedTuple):
    """A gateway before a model for each view.

    Attributes:
        url: of the gateway.
        server: of the Triton server behind it, grpc://HOST:PORT.
    """

    url: str
    server: str


@pytest.fixture(scope="session")
def gallery(
    run: Path, bundle: Path, flow_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gallery]:
    """The models "tiny", its "twin", "tiny-latent" with an explanation, "flow" and "inpaint"."""
    from litho.bundle import Bundle
    from litho.export.build import export
    from litho.serving.repository.deploy import deploy
    from litho.serving.server.embedded import EmbeddedServer
    from litho.serving.server.environment import install
    from litho.training.run.snapshot import save_snapshot

    from ...smallest import smallest_generator
    from .explained import write_explanation

    folder = tmp_path_factory.mktemp("gallery")
    shutil.copytree(run, folder / "explained")
    write_explanation(folder / "explained", Bundle.load(bundle).manifest.checkpoint_sha256)
    save_snapshot(folder / "inpaint", smallest_generator("inpaint"), family="inpaint", preset=None)
    bundles = {
        "tiny": bundle,
        "twin": bundle,
        "flow": flow_bundle,
        "tiny-latent": export(folder / "explained", to=folder / "latent", input="latent", timed=False).path,
        "inpaint": export(folder / "inpaint", to=folder / "filling", timed=False).path,
    }
    for name, path in bundles.items():
        settings = {"batching": "in-flight"} if name == "flow" else None
        deploy(Bundle.load(path), to=folder / "repository", name=name, settings=settings)
    install()
    with (
        EmbeddedServer(folder / "repository", log=folder / "server.log") as server,
        running_gateway(server.grpc_url, repository=folder / "repository") as program,
    ):
        yield Gallery(program.url, server.grpc_url)


def made_by(gallery: Gallery, **body: object) -> np.ndarray:
    """The picture that the gateway makes for a request: UINT8 of shape (height, width, 3)."""
    request = urllib.request.Request(
        f"{gallery.url}/v1/images/generations",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        content = base64.b64decode(json.load(answer)["data"][0]["b64_json"])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


READ_PIXELS = """async (image) => {
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    return [canvas.height, canvas.width, [...context.getImageData(0, 0, canvas.width, canvas.height).data]];
}"""


def shown(picture: Locator) -> np.ndarray:
    """Pixels of an <img> as the browser has decoded it: UINT8 of shape (height, width, 3)."""
    height, width, values = picture.evaluate(READ_PIXELS)
    return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]


def choose(page: Page, model: str) -> None:
    """Choose a model, as a person does."""
    page.get_by_label("Model", exact=True).select_option(model)
