"""Write the pictures of docs/playground.md: the page in Chromium, before a running gateway.

    python scripts/playground_pictures.py http://127.0.0.1:8080 --model emoji

Needs the distribution's Chromium and `pip install 'litho[dev]'`.
"""

import argparse
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

FOLDER = Path(__file__).parents[1] / "docs" / "playground"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


class Scene(NamedTuple):
    """One picture of the page.

    Args:
        window: width and height in pixels.
        colours: "light" or "dark".
        play: brings the page there.
    """

    window: dict[str, int]
    colours: str
    play: Callable[[Page], None]


def generate(count: int) -> Callable[[Page], None]:
    """Make pictures and wait for them."""

    def play(page: Page) -> None:
        begin(page, count)
        expect(page.locator("litho-picture[data-state=finished]")).to_have_count(count)
        expect(page.locator(".film li")).to_have_count(count)

    return play


def begin(page: Page, count: int, steps: int | None = None) -> None:
    """Fill in what the model needs and press the button."""
    if page.get_by_label("Prompt", exact=True).count():
        page.get_by_label("Prompt", exact=True).fill("a red circle above a blue square")
    if page.locator(".chip").count():
        page.locator(".chip").nth(3).click()
    page.get_by_label("Seed", exact=True).fill("2")
    if steps is not None:
        page.get_by_label("Steps", exact=True).fill(str(steps))
    page.get_by_label("Pictures", exact=True).first.fill(str(count))
    page.get_by_role("button", name="Generate").click()


def preview(page: Page) -> None:
    """Look while the pictures are drawn."""
    begin(page, 6, steps=64)
    page.locator("litho-picture[data-state=preview]", has_text="preview 3").nth(2).wait_for()


def details(page: Page) -> None:
    """Open a picture with its receipt and code."""
    generate(4)(page)
    page.locator("litho-picture button.frame").first.click()
    page.get_by_role("radio", name="OpenAI client").check()


SCENES = {
    "generate": Scene(DESKTOP, "light", generate(6)),
    "details": Scene(DESKTOP, "dark", details),
    "phone": Scene(PHONE, "light", generate(4)),
}
"""File name without its ending -> what is on it."""

DRAWING = Scene(DESKTOP, "dark", preview)
"""Of a model that has previews."""


def write_pictures(url: str, folder: Path, model: str | None = None) -> list[Path]:
    """Write all pictures.

    Args:
        url: of the gateway.
        folder: for the files, created if absent.
        model: of all scenes but that with previews; by default the first.

    Returns:
        The files. `drawing.png` is not among them where no model has previews.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        models = _models(browser, url)
        scenes = {name: (scene, model or models[0]["id"]) for name, scene in SCENES.items()}
        drawn = [one["id"] for one in models if one["litho"]["decoupled"]]
        if drawn:
            scenes["drawing"] = (DRAWING, drawn[0])
        for name, (scene, shown) in scenes.items():
            written.append(folder / f"{name}.png")
            _take(browser, url, scene, shown).save(written[-1], optimize=True)
        browser.close()
    return written


def _models(browser: Browser, url: str) -> list[dict[str, Any]]:
    page = browser.new_page()
    answer = page.request.get(f"{url}/v1/models").json()
    page.close()
    return answer["data"]


def _take(browser: Browser, url: str, scene: Scene, model: str) -> Image.Image:
    context = browser.new_context(
        viewport=scene.window,  # pyright: ignore[reportArgumentType]
        color_scheme=scene.colours,  # pyright: ignore[reportArgumentType]
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(url)
    page.get_by_label("Model").select_option(model)
    scene.play(page)
    content = page.screenshot()
    context.close()
    return Image.open(io.BytesIO(content)).convert("RGB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="of a running gateway")
    parser.add_argument("--model", help="shown in all scenes but that with previews; by default the first")
    parser.add_argument("--to", type=Path, default=FOLDER, help="folder for the pictures")
    options = parser.parse_args()
    for path in write_pictures(options.url.rstrip("/"), options.to, options.model):
        print(path)
