"""Write the pictures of docs/playground.md: the page in Chromium, before a running gateway.

    python scripts/playground_pictures.py http://127.0.0.1:8080 --model emoji --source bag.png

A scene that no served model fits is left out, and its old picture stays.

Needs the distribution's Chromium and `pip install 'litho[dev]'`.
"""

import argparse
import io
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

Card = dict[str, Any]
FOLDER = Path(__file__).parents[1] / "docs" / "playground"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
TALL = {"width": 1280, "height": 980}


class Scene(NamedTuple):
    """One picture of the page.

    Args:
        window: width and height in pixels.
        colours: "light" or "dark".
        play: brings the page there.
        view: that is open.
        fits: whether a model, as its card describes it, can be shown; None for any.
    """

    window: dict[str, int]
    colours: str
    play: Callable[[Page], None]
    view: str = "generate"
    fits: Callable[[Card], bool] | None = None


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


def edit(page: Page, source: Path | None = None) -> None:
    """Fill a hole in the middle of a picture, or of a drawn one."""
    if source:
        page.get_by_label("Picture", exact=True).set_input_files(source)
    else:
        page.get_by_role("button", name="Draw a sample").click()
    canvas = page.get_by_role("application")
    canvas.focus()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("p")
    for key in ["ArrowRight"] * 9 + ["ArrowDown"] * 5:
        page.keyboard.press(key)
    page.keyboard.press("p")
    page.get_by_role("button", name="Fill the hole").click()
    finished = page.locator("litho-picture[data-state=finished]")
    finished.wait_for()
    canvas.evaluate("(canvas) => canvas.blur()")
    page.evaluate("scrollTo(0, 0)")


def walk(page: Page) -> None:
    """Stand between two seeds."""
    page.locator(".chip").nth(3).click()
    page.get_by_role("button", name="Make the walk").click()
    expect(page.locator(".status")).to_have_text("36 frames", timeout=60_000)
    page.get_by_role("slider", name="Frame").fill("18")


def compare(page: Page) -> None:
    """Compare the chosen variant with one of another precision."""
    others = page.get_by_label("B", exact=True)
    names = others.locator("option").all_inner_texts()
    others.select_option(next((name for name in names if name.endswith("int8")), others.input_value()))
    page.locator(".chip").nth(3).click()
    page.get_by_label("Seed", exact=True).fill("2")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".three litho-picture[data-state=finished]")).to_have_count(2)
    page.get_by_role("slider", name="Amplified").fill("64")
    page.evaluate("scrollTo(0, 0)")


def explain(page: Page) -> None:
    """Show causes and directions of latent space."""
    page.locator(".live litho-picture[data-state=finished]").wait_for()


def words(page: Page) -> None:
    """Show where a word acts."""
    page.locator(".where").nth(2).click()


def _takes(role: str) -> Callable[[Card], bool]:
    """Whether a model takes a field of a role."""
    return lambda card: any(field["role"] == role for field in card["litho"]["signature"]["inputs"])


def _explained_by(role: str) -> Callable[[Card], bool]:
    """Whether a model carries an explanation and takes a field of a role."""
    return lambda card: card["litho"]["explanations"] and _takes(role)(card)


SCENES = {
    "generate": Scene(DESKTOP, "light", generate(6)),
    "details": Scene(DESKTOP, "dark", details),
    "phone": Scene(PHONE, "light", generate(4)),
    "drawing": Scene(DESKTOP, "dark", preview, fits=lambda card: card["litho"]["decoupled"]),
    "edit": Scene(TALL, "light", edit, "edit", _takes("mask")),
    "walk": Scene(TALL, "light", walk, "walk", _takes("latent")),
    "compare": Scene(TALL, "dark", compare, "compare"),
    "explain": Scene(TALL, "light", explain, "explain", _explained_by("latent")),
    "words": Scene(DESKTOP, "light", words, "explain", _explained_by("prompt")),
}
"""File name without its ending -> what is on it."""


def write_pictures(
    url: str, folder: Path, model: str | None = None, source: Path | None = None
) -> list[Path]:
    """Write all pictures.

    Args:
        url: of the gateway.
        folder: for the files, created if absent.
        model: of all scenes that any model fits; by default the first.
        source: picture that is edited; None for a drawn one.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        cards = _models(browser, url)
        for name, scene in SCENES.items():
            if scene.play is edit:
                scene = scene._replace(play=partial(edit, source=source))
            fitting = [card["id"] for card in cards if scene.fits is None or scene.fits(card)]
            if not fitting:
                continue
            shown = model if scene.fits is None and model else fitting[0]
            written.append(folder / f"{name}.png")
            _take(browser, url, scene, shown).save(written[-1], optimize=True)
        browser.close()
    return written


def _models(browser: Browser, url: str) -> list[Card]:
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
    page.goto(f"{url}/#{scene.view}")
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
    parser.add_argument("--model", help="shown in all scenes that any model fits; by default the first")
    parser.add_argument("--source", type=Path, help="picture that is edited; by default a drawn one")
    parser.add_argument("--to", type=Path, default=FOLDER, help="folder for the pictures")
    options = parser.parse_args()
    for path in write_pictures(options.url.rstrip("/"), options.to, options.model, options.source):
        print(path)
