"""Upload, mask painting and edits in a browser, against what a client gets for the same picture and mask."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from litho.serving.clients.client import Client

from .conftest import Gallery, Opener, assert_usable, choose, shown

SIDE = 28


@pytest.fixture
def page(open_page: Opener, gallery: Gallery) -> Page:
    opened = open_page("edit", url=gallery.url)
    choose(opened, "inpaint")
    return opened


def file_of(picture: NDArray[np.uint8], path: Path, **options: object) -> Path:
    Image.fromarray(picture).save(path, **options)
    return path


@pytest.fixture
def source() -> NDArray[np.uint8]:
    """A grey picture of the model's size."""
    return np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


def upload(page: Page, source: NDArray[np.uint8], tmp_path: Path) -> Locator:
    """Upload a picture and return the canvas."""
    page.get_by_label("Picture", exact=True).set_input_files(file_of(source, tmp_path / "source.png"))
    canvas = page.get_by_role("application", name="Mask: paint the hole")
    expect(canvas).to_be_visible()
    return canvas


def filled(gallery: Gallery, source: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """What the model makes, asked without the gateway."""
    with Client(gallery.server, "inpaint") as client:
        mask = hole.astype(np.uint8)[..., None] * 255
        return client.generate(source=source[None, ..., None], mask=mask[None])[0]


def fill(page: Page) -> NDArray[np.uint8]:
    page.get_by_role("button", name="Fill the hole").click()
    finished = page.locator("litho-picture[data-state=finished] img")
    expect(finished).to_be_visible()
    return shown(finished)[..., :1]


def test_a_rectangle_by_numbers_is_filled_as_a_client_fills_it(
    page: Page, gallery: Gallery, source: NDArray[np.uint8], tmp_path: Path
) -> None:
    page.get_by_role("button", name="Fill the hole").click()
    expect(page.get_by_role("alert").filter(has_text="Choose a picture first")).to_be_visible()
    upload(page, source, tmp_path)
    page.get_by_role("button", name="Fill the hole").click()
    expect(page.get_by_role("alert").filter(has_text="Paint the hole first")).to_be_visible()
    page.get_by_text("Rectangle by numbers").click()
    for name, value in {"First column": 5, "First row": 9, "Columns": 10, "Rows": 4}.items():
        page.get_by_label(name).fill(str(value))
    page.get_by_role("button", name="Add to the hole").click()
    expect(page.locator(".words")).to_have_text(
        "The hole is 5 % of the picture, within 10 × 4 pixels from column 5, row 9."
    )
    hole = np.zeros((SIDE, SIDE), bool)
    hole[8:12, 4:14] = True
    np.testing.assert_array_equal(fill(page), filled(gallery, source, hole))
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download").click()
    assert downloading.value.suggested_filename == "inpaint.png"
    page.get_by_text("Receipt", exact=True).click()
    expect(page.get_by_role("definition").filter(has_text=re.compile("^[0-9a-f]{64}$")).first).to_be_visible()
    page.get_by_text("Make it again from a program").click()
    assert "-F mask=@mask.png" in page.get_by_role("region", name="Code, curl").inner_text()
    assert_usable(page)


def test_a_hole_is_painted_with_a_mouse_and_taken_back(
    page: Page, source: NDArray[np.uint8], tmp_path: Path
) -> None:
    canvas = upload(page, source, tmp_path)
    page.get_by_label("Brush").fill("2")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    unit = box["width"] / SIDE

    def at(column: float, row: float) -> tuple[float, float]:
        return box["x"] + column * unit, box["y"] + row * unit

    page.mouse.move(*at(4, 10))
    page.mouse.down()
    page.mouse.move(*at(20, 10), steps=4)
    page.mouse.up()
    words = page.locator(".words")
    expect(words).to_contain_text("within 18 × 2 pixels from column 4, row 10")
    page.get_by_label("Erase").check()
    page.mouse.move(*at(4, 10))
    page.mouse.down()
    page.mouse.move(*at(10, 10))
    page.mouse.up()
    expect(words).to_contain_text("within 10 × 2 pixels from column 12, row 10")
    page.get_by_role("button", name="Undo").click()
    expect(words).to_contain_text("within 18 × 2 pixels")
    page.get_by_role("button", name="Undo").click()
    expect(words).to_have_text("There is no hole yet.")


def test_a_hole_is_painted_by_keyboard_alone(
    page: Page, gallery: Gallery, source: NDArray[np.uint8], tmp_path: Path
) -> None:
    upload(page, source, tmp_path).focus()
    for key in ("Shift+ArrowLeft", "Shift+ArrowUp", "-", "-", "-", "-", "-", "-"):
        page.keyboard.press(key)
    # The brush is one pixel wide and stands on column 7, row 7.
    for key in ("p", "ArrowRight", "ArrowRight", "ArrowDown", "p", "ArrowDown", "ArrowDown", "Space"):
        page.keyboard.press(key)
    hole = np.zeros((SIDE, SIDE), bool)
    hole[6, 6:9] = hole[7, 8] = hole[9, 8] = True
    expect(page.locator(".words")).to_contain_text("within 3 × 4 pixels from column 7, row 7")
    np.testing.assert_array_equal(fill(page), filled(gallery, source, hole))
    page.get_by_role("application").focus()
    page.keyboard.press("u")
    expect(page.locator(".words")).to_contain_text("within 3 × 2 pixels")


def test_a_large_turned_picture_is_cut_and_a_file_that_is_none_refused(page: Page, tmp_path: Path) -> None:
    picture = np.zeros((60, 200, 3), np.uint8)
    picture[:, :100] = 255
    turned = Image.Exif()
    turned[0x0112] = 6
    path = file_of(picture, tmp_path / "photo.jpg", exif=turned)
    page.get_by_label("Picture", exact=True).set_input_files(path)
    note = page.get_by_text("60 × 200 pixels, cut from the middle and resized to 28 × 28", exact=True)
    expect(note).to_be_visible()
    above, below = page.get_by_role("application").evaluate(
        "(canvas) => [0.1, 0.9].map((share) => canvas.getContext('2d')"
        ".getImageData(canvas.width / 2, canvas.height * share, 1, 1).data[0])"
    )
    assert above > 200 > 50 > below
    page.get_by_label("Picture", exact=True).set_input_files(
        {"name": "notes.png", "mimeType": "image/png", "buffer": io.BytesIO(b"no picture").getvalue()}
    )
    expect(page.get_by_role("alert").filter(has_text="no picture that the browser can read")).to_be_visible()
    expect(note).to_be_visible()


def test_the_result_becomes_the_next_source_and_stays_when_the_view_is_left(page: Page) -> None:
    page.get_by_role("button", name="Draw a sample").click()
    page.get_by_role("application").focus()
    page.keyboard.press("Space")
    made = fill(page)
    page.get_by_role("button", name="Edit result 1 further").click()
    expect(page.get_by_text("28 × 28 pixels", exact=True)).to_be_visible()
    expect(page.locator(".words")).to_have_text("There is no hole yet.")
    page.get_by_role("link", name="Compare").click()
    page.get_by_role("link", name="Edit", exact=True).click()
    middle = page.get_by_role("application").evaluate(
        "(canvas) => canvas.getContext('2d').getImageData(canvas.width / 2 + 4, canvas.height / 2 + 4, 1, 1).data[0]"
    )
    assert abs(middle - int(made[SIDE // 2, SIDE // 2, 0])) <= 1
    choose(page, "tiny")
    expect(page.get_by_role("main")).to_contain_text("tiny takes no picture: choose inpaint.")
    page.get_by_role("button", name="Choose inpaint").press("Enter")
    expect(page.get_by_label("Model", exact=True)).to_have_value("inpaint")
    expect(page.get_by_role("main")).to_be_focused()
    expect(page.get_by_role("application")).to_be_visible()


def test_a_picture_that_something_shines_through_is_shown_on_white_as_it_is_sent(
    page: Page, tmp_path: Path
) -> None:
    page.get_by_label("Picture", exact=True).set_input_files(
        file_of(np.zeros((SIDE, SIDE, 4), np.uint8), tmp_path / "clear.png")
    )
    canvas = page.get_by_role("application")
    expect(canvas).to_be_visible()
    pixel = canvas.evaluate("(canvas) => [...canvas.getContext('2d').getImageData(1, 1, 1, 1).data]")
    assert pixel == [255, 255, 255, 255]
