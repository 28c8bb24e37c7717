"""The view that generates, in a browser, before real gateways and servers."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from litho.serving.gateway.program import Program
from litho.serving.provenance.picture_metadata import read_receipt
from litho.serving.server.embedded import EmbeddedServer

from ...conftest import running_gateway
from ...streaming import REFUSED
from .conftest import PHONE, WAIT_MILLISECONDS, Gallery, Opener, choose, overflow, serious_findings

LARGEST_SEED = str(2**63 - 1)
BROKEN_OFF = "The connection was lost before the answer was complete."


def finished(page: Page) -> Locator:
    return page.locator("litho-picture[data-state=finished]")


def generate(page: Page, count: int) -> None:
    page.get_by_label("Pictures", exact=True).first.fill(str(count))
    page.get_by_role("button", name="Generate").click()
    expect(finished(page)).to_have_count(count)
    expect(page.locator(".status")).to_contain_text(" s")


def receipt_of(page: Page) -> dict[str, object]:
    """The receipt that the open dialog gives to a program."""
    page.get_by_role("button", name="Copy receipt").click()
    return json.loads(page.evaluate("navigator.clipboard.readText()"))


def test_a_class_and_a_seed_give_pictures_with_receipts_and_a_history(open_page: Opener) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.locator(".chip").nth(7).click()
    generate(page, 3)
    captions = finished(page).locator("figcaption").all_inner_texts()
    assert len(set(captions)) == 3
    assert all(re.fullmatch(r"seed \d+", caption.strip()) for caption in captions)
    assert finished(page).first.locator("img").evaluate("image => image.naturalWidth") == 32
    expect(page.locator("#announcements")).to_contain_text("3 pictures")
    expect(page.locator(".film li")).to_have_count(3)
    finished(page).first.get_by_title("Details").click()
    receipt = receipt_of(page)
    assert receipt["model"] == "tiny"
    assert f"seed {receipt['fields']['seed']}" == captions[0].strip()  # pyright: ignore
    assert receipt["fields"]["label"] == 7  # pyright: ignore
    assert serious_findings(page) == []
    page.keyboard.press("Escape")
    page.reload()
    expect(page.locator(".film li")).to_have_count(3)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".film li")).to_have_count(0)


def test_a_picture_of_the_history_is_made_again_pixel_by_pixel(open_page: Opener) -> None:
    page = open_page()
    generate(page, 2)
    page.reload()
    page.locator(".film button").nth(1).click()
    page.get_by_role("button", name="Make again").click()
    expect(page.locator(".status")).to_contain_text("The same picture again, in every pixel.")


def test_a_downloaded_picture_is_the_one_that_is_shown_with_its_receipt(
    open_page: Opener, tmp_path: Path
) -> None:
    page = open_page()
    page.get_by_label("Format").select_option("webp")
    generate(page, 1)
    with page.expect_download() as downloading:
        finished(page).get_by_role("button", name="Download").click()
    file = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(file)
    receipt = read_receipt(file.read_bytes())
    assert receipt is not None
    assert file.name == f"tiny-seed-{receipt.fields['seed']}.webp"
    with Image.open(file) as picture:
        assert (picture.format, picture.size) == ("WEBP", (32, 32))


def test_formats_that_lose_something_have_a_quality(open_page: Opener) -> None:
    page = open_page()
    expect(page.get_by_label("Quality")).to_be_hidden()
    page.get_by_label("Format").select_option("jpeg")
    page.get_by_label("Quality").fill("30")
    with page.expect_request("**/v1/images/generations") as asked:
        generate(page, 1)
    assert asked.value.post_data_json["output_compression"] == 30
    page.get_by_label("Format").select_option("png")
    expect(page.get_by_label("Quality")).to_be_hidden()


def test_the_largest_seed_keeps_all_its_digits(open_page: Opener) -> None:
    page = open_page()
    page.get_by_label("Seed", exact=True).fill(LARGEST_SEED)
    expect(page.get_by_label("A new seed each time")).not_to_be_checked()
    generate(page, 2)
    captions = finished(page).locator("figcaption").all_inner_texts()
    assert captions[0].strip() == f"seed {LARGEST_SEED}"
    finished(page).nth(1).get_by_role("button", name="Keep this seed").click()
    seed = captions[1].strip().removeprefix("seed ")
    expect(page.get_by_label("Seed", exact=True)).to_have_value(seed)


def test_the_code_of_a_picture_makes_the_same_picture(open_page: Opener, tmp_path: Path) -> None:
    page = open_page()
    page.locator(".chip").nth(3).click()
    page.get_by_label("Seed", exact=True).fill(LARGEST_SEED)
    page.get_by_label("Truncation").fill("0.5")
    generate(page, 1)
    finished(page).get_by_title("Details").click()
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download", exact=True).click()
    shown = np.asarray(Image.open(downloading.value.path()))
    for kind in ("Python", "OpenAI client", "curl"):
        page.get_by_role("radio", name=kind).check()
        code = page.get_by_role("region", name="Code").inner_text()
        assert LARGEST_SEED in code
        if kind == "curl":
            code = code.replace("jq -r '.data[0].b64_json'", f"{sys.executable} -c '{_FIRST_PICTURE}'")
        command = ["sh", "-c", code] if kind == "curl" else [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        made = tmp_path / ("picture.png" if kind == "curl" else "picture-0.png")
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(made.read_bytes()))), shown), kind
        made.unlink()


_FIRST_PICTURE = 'import json, sys; print(json.load(sys.stdin)["data"][0]["b64_json"])'
"""What `jq` does in the command for curl; not every machine has it."""


def test_a_value_that_is_not_allowed_is_marked_and_nothing_is_sent(open_page: Opener) -> None:
    page = open_page()
    sent: list[str] = []
    page.on("request", lambda asked: sent.append(asked.url) if "images" in asked.url else None)
    for name, value in (("Seed", "9223372036854775808"), ("Truncation", "1.5")):
        field = page.get_by_label(name, exact=True)
        before = field.input_value()
        field.fill(value)
        page.get_by_role("button", name="Generate").click()
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_be_focused()
        expect(field).to_have_accessible_description(re.compile("from 0 to"))
        field.fill(before)
    assert sent == []
    assert serious_findings(page) == []


def test_it_works_by_the_keyboard_alone(open_page: Opener) -> None:
    page = open_page()
    expect(page.get_by_role("button", name="Generate")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the view")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".chip input").nth(3)).to_be_checked()
    page.keyboard.press("Enter")
    expect(finished(page)).to_have_count(4)
    expect(page.locator(".status")).to_contain_text("4 pictures")
    expect(page.get_by_role("button", name="Generate")).to_be_visible()
    finished(page).first.locator("button.frame").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(finished(page).first.locator("button.frame")).to_be_focused()


def test_previews_are_shown_while_a_picture_is_drawn(open_page: Opener, streaming_gateway: Program) -> None:
    page = open_page(url=streaming_gateway.url)
    page.get_by_label("Model").select_option("sketch")
    expect(page.get_by_label("Previews while it is drawn")).to_be_checked()
    page.evaluate(_WATCH)
    page.get_by_label("Steps").fill("800")
    page.get_by_label("Pictures", exact=True).first.fill("2")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(finished(page)).to_have_count(2)
    expect(page.get_by_role("button", name="Generate")).to_be_visible()
    seen = page.evaluate("seen")
    assert {"waiting", "preview", "finished"} <= {state for state, _ in seen}
    assert {text for state, text in seen if state == "preview"} <= {f"preview {n}" for n in (1, 2, 3)}


_WATCH = """() => {
    window.seen = [];
    new MutationObserver(() => {
        for (const tile of document.querySelectorAll("litho-picture"))
            window.seen.push([tile.dataset.state, tile.innerText.trim()]);
    }).observe(document.querySelector(".grid"), { subtree: true, childList: true, attributes: true });
}"""
"""Notes what the grid shows after each change: a preview may be gone before a test looks."""


def test_a_picture_can_be_taken_to_the_view_that_edits(open_page: Opener, streaming_gateway: Program) -> None:
    page = open_page(url=streaming_gateway.url)
    page.get_by_label("Model").select_option("larger")
    expect(page.get_by_text("larger starts from a picture: give it one under Edit.")).to_be_visible()
    page.get_by_label("Model").select_option("sketch")
    generate(page, 1)
    finished(page).get_by_title("Details").click()
    page.get_by_role("button", name="Edit").click()
    expect(page).to_have_title("Edit · litho")
    expect(page.get_by_label("Model", exact=True)).to_have_value("filled")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_what_was_begun_can_be_stopped(open_page: Opener, streaming_gateway: Program) -> None:
    page = open_page(url=streaming_gateway.url)
    page.get_by_label("Model").select_option("sketch")
    page.get_by_label("Steps").fill("1000000")
    page.get_by_role("button", name="Generate").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".status")).to_have_text("Stopped")
    expect(page.locator("litho-picture[data-state=failed]").first).to_contain_text("stopped")
    page.get_by_label("Steps").fill("3")
    generate(page, 1)


def test_a_failure_is_shown_with_its_status_and_the_next_request_is_fine(
    open_page: Opener, streaming_gateway: Program
) -> None:
    page = open_page(url=streaming_gateway.url, errors=("Failed to load resource",))
    page.get_by_label("Model").select_option("sketch")
    page.get_by_label("Seed", exact=True).fill(str(REFUSED))
    page.get_by_label("Pictures", exact=True).first.fill("1")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"status [45]\d\d"))
    expect(page.locator("litho-picture[data-state=failed]")).to_have_count(1)
    assert serious_findings(page) == []
    page.get_by_label("Seed", exact=True).fill("5")
    generate(page, 1)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_an_answer_that_breaks_off_is_said_and_tried_again_without_a_reload(
    open_page: Opener, streaming_server: EmbeddedServer
) -> None:
    with running_gateway(streaming_server.grpc_url) as program:
        port = int(program.url.rpartition(":")[2])
        page = open_page(url=program.url, errors=("Failed to load resource",))
        page.get_by_label("Model").select_option("sketch")
        page.get_by_label("Pictures", exact=True).first.fill("1")
        page.get_by_label("Steps").fill("12000")
        page.get_by_role("button", name="Generate").click()
        page.locator("litho-picture[data-state=preview]").wait_for()
        program.stop()
        expect(page.get_by_role("alert")).to_contain_text(BROKEN_OFF, timeout=WAIT_MILLISECONDS)
        expect(page.locator("litho-picture[data-state=failed]")).to_have_count(1)
    page.get_by_label("Steps").fill("3")
    with running_gateway(streaming_server.grpc_url, port=port):
        page.get_by_role("button", name="Try again").click()
        expect(finished(page)).to_have_count(1)
        expect(page.get_by_role("alert")).to_be_hidden()


def test_an_answer_that_a_proxy_ends_too_early_is_not_taken_for_the_whole(
    open_page: Opener, streaming_gateway: Program
) -> None:
    page = open_page(url=streaming_gateway.url)

    def first_picture(route: Route) -> None:
        body = route.fetch().text()
        route.fulfill(body=body[: body.index("\n\n") + 2], content_type="text/event-stream")

    page.route("**/v1/images/generations", first_picture)
    page.get_by_label("Model").select_option("sketch")
    page.get_by_label("Previews").uncheck()
    page.get_by_label("Pictures", exact=True).first.fill("2")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("alert")).to_contain_text(BROKEN_OFF, timeout=WAIT_MILLISECONDS)


def test_a_prompt_stands_in_the_direction_of_its_script(open_page: Opener, gallery: Gallery) -> None:
    page = open_page(url=gallery.url)
    choose(page, "flow")
    page.get_by_label("Prompt", exact=True).fill("مربع أحمر 🎨")
    expect(page.get_by_label("Prompt", exact=True)).to_have_css("direction", "rtl")
    generate(page, 1)
    finished(page).get_by_title("Details").click()
    expect(page.get_by_role("dialog").get_by_text("مربع أحمر 🎨", exact=True)).to_have_css("direction", "rtl")


def test_pictures_and_details_fit_a_phone(open_page: Opener) -> None:
    page = open_page(viewport=PHONE, has_touch=True, color_scheme="dark")
    generate(page, 4)
    expect(page.locator(".results")).to_be_in_viewport()
    assert overflow(page) == 0
    finished(page).first.get_by_title("Details").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert overflow(page) == 0
    assert serious_findings(page) == []
