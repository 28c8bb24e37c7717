"""The table that a person decides from, and the page: what they say of variants of every kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from litho.bundle.manifest import Gain, Variant, Verdict
from litho.export.precisions import precision
from litho.export.report.choice import overall_status
from litho.export.report.page import render_report
from litho.parity.gate import Replay, judge

from .conftest import COARSE, PARTED, PICTURES, PROBES, REFERENCE, VARIANTS, manifest_of, variant

INT8 = "generator.int8.openvino.onnx"


def page(variants: Sequence[Variant] = VARIANTS, **changes: Any) -> str:
    return render_report(manifest_of(variants, **changes), PROBES, PICTURES)


def test_the_page_begins_with_verdict_precision_gain_date_and_machine(read_page: Any) -> None:
    timed = {"timed_at": "2026-11-25", "timed_on": "AMD EPYC, 2 cores"}
    page_ = read_page(page(environment={"torch": "2", **timed}))
    (verdict,) = page_.of_class("verdict")
    assert verdict.of_class("badge")[0].text == "passed"
    for expected in (
        INT8,
        "INT8",
        "2.00 ×",
        "same distribution",
        "a single image may differ",
        *timed.values(),
    ):
        assert expected in verdict.text
    assert verdict.all("code")[0].text == f"litho deploy tiny --variant {INT8} --grade same-distribution"
    sections = [heading.text for heading in page_.all("h2")]
    assert sections[:3] == ["Images", "Variants", "Speed and quality"]
    folded = [heading.text for details in page_.all("details") for heading in details.all("h2")]
    assert folded == sections[3:]


def test_name_and_verdict_of_a_variant_are_in_the_header_of_its_row(read_page: Any) -> None:
    table = next(
        one for one in read_page(page()).all("table") if "all-variants" in one.attributes["aria-labelledby"]
    )
    headers = [cell.text for row in table.all("tbody")[0].all("tr") for cell in row.all("th")]
    assert headers == [
        "generator.fp32.onnx passed front",
        "generator.int8.openvino.onnx passed recommended",
        "generator.fp8.onnx failed",
        "generator.bf16.onnx not run",
    ]


@pytest.mark.slow
def test_the_page_shows_counts_pictures_limits_layers_and_gains(read_page: Any) -> None:
    gains = (Gain(stage="generator", name="folding", ratio=1.234, lower=1.1, upper=1.3),)
    html = page(gains=gains)
    text = read_page(html).text
    for expected in (
        "4 variants: 2 passed, 1 failed, 1 not run on this machine.",
        "block.conv, last.conv",
        "2 of 9",
        "1.23 times (1.10 to 1.30)",
        "batch normalisation and constant scales folded into weights",
        "seed 105, prompt",
        "linear, upsample, cleanup.",
        "identical: fp32.",
    ):
        assert expected in text
    assert html.count("data:image/svg+xml") == 2
    assert page(gains=gains) == html


def test_the_page_shows_the_probes_that_part(read_page: Any) -> None:
    gate = precision("fp16").limits("rectified-flow")
    fp16 = variant("generator.fp16.onnx", judge([Replay(PARTED, REFERENCE)], gate), 4000)
    fp16 = fp16.model_copy(update={"file": VARIANTS[0].file, "grade": gate.grade})
    html = render_report(manifest_of([VARIANTS[0], fp16]), PROBES, {**PICTURES, fp16.name: PARTED})
    page_ = read_page(html)
    assert "Probes that part" in [heading.text for heading in page_.all("h2")]
    (table,) = [one for one in page_.all("table") if "probes-whose" in one.attributes["aria-labelledby"]]
    (row,) = table.all("tbody")[0].all("tr")
    assert row.inside[0].text == "fp16"
    assert len(row.all("img")) == 3
    assert "probe 5 parts from PyTorch's." in page_.text
    assert "91.7%" in page_.text
    assert "Probes that part" not in page()


@pytest.mark.parametrize("name", ["fp16", "int8"])
def test_the_page_shows_the_extremes_also_where_they_have_no_limit(name: str, read_page: Any) -> None:
    gate = precision(name).gate
    replays = [Replay(REFERENCE, REFERENCE), Replay(COARSE[:8], REFERENCE[:8], 8, "extremes")]
    made = variant(f"generator.{name}.onnx", judge(replays, gate), 4000)
    html = render_report(manifest_of([made.model_copy(update={"file": VARIANTS[0].file})]), PROBES, {})
    rows = [row.text for row in read_page(html).all("tr") if "extremes" in row.text]
    assert any("PSNR min" in row for row in rows)
    assert all(("measured" in row) == (name == "int8") for row in rows)


def test_the_page_of_untimed_variants_has_no_plot_no_date_and_no_recommendation(read_page: Any) -> None:
    page_ = read_page(page([one.model_copy(update={"timings": ()}) for one in VARIANTS]))
    assert not any("svg" in image.attributes["src"] for image in page_.all("img"))
    (verdict,) = page_.of_class("verdict")
    assert "No variant is recommended" in verdict.text
    assert not re.search(r"20\d\d-", verdict.text)


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        (("passed", "failed"), "passed"),
        (("failed", "not_run"), "failed"),
        (("not_run", "not_run"), "not run"),
    ],
)
def test_a_bundle_passes_with_one_variant_of_every_stage(statuses: tuple[str, str], status: str) -> None:
    judged = [
        one.model_copy(update={"verdict": Verdict(status=each)})  # pyright: ignore[reportArgumentType]
        for one, each in zip(VARIANTS, statuses, strict=False)
    ]
    assert overall_status(manifest_of(judged)) == status
