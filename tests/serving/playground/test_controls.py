"""Controls drawn from a signature that has every role and shape, in a browser."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from litho.signature import Signature
from litho.signature.fields import (
    Field,
    Role,
    condition_field,
    image_output,
    label_field,
    latent_field,
    mask_field,
    source_field,
    truncation_field,
)
from litho.signature.noise import gaussian

from .conftest import PHONE, Opener, overflow, serious_findings

SIGNATURE = Signature(
    inputs=(
        latent_field(6),
        label_field(tuple(f"class {number}" for number in range(40))),
        Field(name="prompt", role=Role.PROMPT, dtype="BYTES"),
        Field(name="negative_prompt", role=Role.PROMPT, dtype="BYTES", default=""),
        Field(name="steps", role=Role.STEPS, dtype="INT64", minimum=1, maximum=64, default=8),
        Field(name="guidance", role=Role.GUIDANCE, dtype="FP32", minimum=0, default=2.0),
        truncation_field(),
        condition_field("pose", (2, 3), limits=(-1, 1)),
        condition_field("level", dtype="INT64", limits=(0, 9), default=3),
        source_field(8, 8, 3),
        mask_field(8, 8),
    ),
    output=image_output(8, 8, 3),
)
"""Of no model: one field of every kind that a person can set, and the two pictures that have no control here."""

GIVEN = {
    "label": 39, "prompt": "ein Kreis, 円", "steps": 64, "guidance": 2.5, "truncation": 0.25,
    "pose": [[0.5, 0, -1], [1, 0, 0]], "level": 0, "latent": [0, 1, 2, 3, 4, 5.5],
}  # fmt: skip

DRAW = """async (signature) => {
    const { h } = await import("/playground/dom.js");
    await import("/playground/controls.js");
    window.controls = h("litho-controls", { id: "drawn" });
    window.controls.show({ id: "drawn", litho: { signature } });
    document.querySelector("main").replaceChildren(h("div.panel", {}, window.controls));
}"""


@pytest.fixture
def page(open_page: Opener) -> Page:
    page = open_page()
    expect(page.get_by_role("button", name="Generate")).to_be_visible()
    page.evaluate(DRAW, SIGNATURE.model_dump(mode="json"))
    return page


def values(page: Page) -> dict[str, Any]:
    return page.evaluate("controls.values()")


def problem(page: Page) -> str:
    return page.evaluate("controls.problem()")


def test_every_field_but_pictures_has_a_control_and_none_is_hard_to_use(page: Page) -> None:
    names = page.evaluate("controls.names")
    assert set(names) == {field.name for field in SIGNATURE.inputs} - {"source", "mask"}
    assert names[:3] == ["prompt", "negative_prompt", "label"]
    assert page.get_by_label("Class").locator("option").count() == 40
    assert serious_findings(page) == []
    page.set_viewport_size(PHONE)  # pyright: ignore[reportArgumentType]
    assert overflow(page) == 0


def test_values_that_are_set_come_back_and_pass_the_check_of_the_signature(page: Page) -> None:
    page.evaluate("given => controls.set(given)", GIVEN)
    assert problem(page) == ""
    assert values(page) == GIVEN
    fields = {name: np.asarray([value]) for name, value in values(page).items()}
    images = {"source": np.zeros((1, 8, 8, 3), np.uint8), "mask": np.zeros((1, 8, 8, 1), np.uint8)}
    SIGNATURE.check({**fields, **images})


def test_a_latent_is_drawn_as_a_model_draws_it_from_that_seed(page: Page) -> None:
    page.get_by_label("Latent", exact=True).fill("1234567890123")
    latent = np.asarray(values(page)["latent"], np.float32)
    assert np.allclose(latent, gaussian(np.array([1234567890123]), 6)[0], atol=1e-6)


NOT_ALLOWED = {
    ("Prompt", " "): "Prompt is empty",
    ("Prompt", "é" * 2049): "at most 4096 bytes; this one has 4098",
    ("Steps", "65"): "whole number from 1 to 64",
    ("Steps", "1.5"): "whole number from 1 to 64",
    ("Guidance", "-1"): "number of at least 0",
    ("Pose", "1 2 3"): "Pose takes 6 numbers; 3 are given",
    ("Latent", "-1"): "whole number from 0 to",
}
"""Control, what is written there -> what is said about it."""


def test_what_a_field_does_not_allow_is_said_beside_it(page: Page) -> None:
    given = {key: value for key, value in GIVEN.items() if key != "latent"}
    for (name, text), said in NOT_ALLOWED.items():
        page.evaluate("given => controls.set(given)", given)
        field = page.get_by_label(name, exact=True)
        field.fill(text)
        assert said in problem(page)
        expect(field).to_be_focused()
        expect(field).to_have_accessible_description(re.compile(re.escape(problem(page)) + "$"))
        assert page.locator("[aria-invalid=true]").count() == 1


def test_the_handle_and_the_number_move_together(page: Page) -> None:
    handle = page.locator(".field", has_text="Steps").locator("input[type=range]")
    handle.evaluate(
        "range => { range.value = 32; range.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    expect(page.get_by_label("Steps", exact=True)).to_have_value("32")
    page.get_by_label("Steps", exact=True).fill("16")
    expect(handle).to_have_value("16")
