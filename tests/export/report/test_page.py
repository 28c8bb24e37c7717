"""The table that a person decides from, and the page: what they say of variants of every kind."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from litho.bundle.manifest import Figure, FileRecord, Gain, Manifest, Stage, Timing, Variant, Verdict
from litho.bundle.probes import Probes
from litho.export.precisions import precision
from litho.export.report.choice import overall_status, recommend
from litho.export.report.page import render_report
from litho.export.report.panels import compare_pictures
from litho.export.report.scatter import speed_chart
from litho.export.report.table import decide
from litho.parity.gate import Gate, judge
from litho.reporting import PageImage
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field

RANDOM = np.random.default_rng(0)
REFERENCE = RANDOM.integers(60, 196, (12, 16, 16, 1), dtype=np.uint8)
PROBES = Probes(
    {"seed": np.arange(100, 112), "prompt": np.array(["a circle" * 20] * 12, dtype=object)}, REFERENCE
)
COARSE = REFERENCE.copy()
COARSE[5] += 4
"""Off by four grey levels in one picture."""

LOUD = (REFERENCE.astype(int) + RANDOM.integers(-50, 51, REFERENCE.shape)).astype(np.uint8)


def variant(name: str, verdict: Verdict, speed: float | None, fp32_layers: tuple[str, ...] = ()) -> Variant:
    precision_name, *runtime = name.removesuffix(".onnx").split(".")[1:]
    timings = ()
    if speed is not None:
        timings = (
            Timing(batch=1, p50_ms=1.5, images_per_second=1000 / 1.5),
            Timing(batch=32, p50_ms=32e3 / speed, images_per_second=speed),
        )
    return Variant(
        name=name,
        stage="generator",
        precision=precision_name,
        runtime=runtime[0] if runtime else "onnxruntime",
        file=f"graphs/{name}",
        batches=(1, 8, 64),
        verdict=verdict,
        passes={"folding": 3},
        fp32_layers=fp32_layers,
        layers=9,
        timings=timings,
    )


def verdict_on(pictures: np.ndarray, name: str) -> Verdict:
    ratio = Figure(metric="FD ratio (digits)", value=1.012, at_most=1.05)
    return judge([pictures], REFERENCE, precision(name).gate, [ratio])


VARIANTS = [
    variant("generator.fp32.onnx", judge([REFERENCE], REFERENCE, precision("fp32").gate), 1000),
    variant("generator.int8.openvino.onnx", verdict_on(COARSE, "int8"), 2000, ("block.conv", "last.conv")),
    variant("generator.fp8.onnx", verdict_on(LOUD, "fp8"), 3000),
    variant("generator.bf16.onnx", Verdict(status="not_run", reason="no kernel for Gemm"), None),
]
PICTURES = {VARIANTS[0].name: REFERENCE, VARIANTS[1].name: COARSE, VARIANTS[2].name: LOUD}
FILES = {
    one.file: FileRecord(sha256="0" * 64, size_bytes=4000 // (place + 1))
    for place, one in enumerate(VARIANTS)
}


def manifest_of(variants: Sequence[Variant] = VARIANTS, **changes: Any) -> Manifest:
    signature = Signature(inputs=(seed_field(),), output=image_output(16, 16, 1))
    fields = {
        "name": "tiny",
        "family": "gan",
        "signature": signature,
        "stages": (Stage(name="generator", signature=signature),),
        "variants": tuple(variants),
        "recommended": recommend(variants, FILES, "throughput"),
        "files": FILES,
        "checkpoint_sha256": "0" * 64,
        "environment": {"torch": "2"},
    }
    return Manifest(**{**fields, **changes})


def page(variants: Sequence[Variant] = VARIANTS, **changes: Any) -> str:
    return render_report(manifest_of(variants, **changes), PROBES, PICTURES)


def test_one_table_has_a_row_for_each_variant_and_says_which_to_take() -> None:
    decision = decide("bundles/tiny", manifest_of())
    cells = [dict(zip(decision.columns, row, strict=True)) for row in decision.rows]
    assert [row["verdict"] for row in cells] == ["passed", "passed", "failed", "not run"]
    assert [row["mark"] for row in cells] == ["front", "recommended", "", ""]
    assert [row["images/s|right"] for row in cells] == ["1\u202f000", "2\u202f000", "3\u202f000", "–"]
    assert [row["FD ratio|right"] for row in cells] == ["–", "1.012", "1.012", "–"]
    assert cells[0]["PSNR min|right"] == "100.0"
    assert (
        decision.notes[0]
        == "generator.int8.openvino.onnx has 2 of 9 layers in FP32; block.conv causes the largest error."
    )
    assert decision.notes[1].startswith(
        "generator.fp8.onnx failed: the pictures differ too much from PyTorch's"
    )
    assert decision.notes[2] == "generator.bf16.onnx was not run: no kernel for Gemm."
    assert "2.00 times as fast as FP32" in decision.choice
    assert decision.command == "litho deploy bundles/tiny --variant generator.int8.openvino.onnx"


def test_the_table_fits_120_columns_however_long_the_names() -> None:
    long = [
        one.model_copy(update={"name": "text_encoder.fp16.openvino.onnx", "file": VARIANTS[0].file})
        for one in VARIANTS[:1]
    ]
    decision = decide("tiny", manifest_of([*long, *VARIANTS[1:]], aim="size", recommended=(long[0].name,)))
    rows = [[heading.removesuffix("|right") for heading in decision.columns], *decision.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    assert sum(widths) + 2 * (len(widths) - 1) <= 120


def test_what_no_variant_has_is_no_column() -> None:
    untimed = [one.model_copy(update={"timings": ()}) for one in VARIANTS[:1]]
    decision = decide("tiny", manifest_of(untimed))
    assert not {"p50 ms|right", "images/s|right", "FD ratio|right", "mark"} & set(decision.columns)
    assert decision.choice == "No variant is recommended: no variant that passed was timed."
    assert decision.command == ""
    assert decide("tiny", manifest_of(VARIANTS[2:], aim="size")).choice.endswith("none passed here.")


@pytest.mark.parametrize(
    ("gate", "pictures", "complaint"),
    [
        (
            Gate(max_abs_levels=1),
            COARSE,
            "a pixel is 4 grey levels off (max difference; allowed is at most 1)",
        ),
        (Gate(identical_share=0.999), COARSE, "only 91.67% of the pixels match PyTorch's"),
        (
            Gate(min_psnr_db=40),
            COARSE,
            "the worst picture differs too much from PyTorch's (PSNR min 36.1 dB;",
        ),
        (Gate(mean_psnr_db=99), COARSE, "the pictures differ too much from PyTorch's (PSNR mean"),
    ],
)
def test_a_failing_verdict_says_what_is_wrong(gate: Gate, pictures: np.ndarray, complaint: str) -> None:
    verdict = judge([pictures], REFERENCE, gate)
    assert verdict.status == "failed"
    assert complaint in verdict.reason
    assert "\n" not in verdict.reason


def size_of(picture: PageImage) -> tuple[int, int]:
    return Image.open(io.BytesIO(picture.content)).size


def test_every_row_shows_the_same_probes_with_each_variant_s_worst_among_them() -> None:
    compared = compare_pictures(PROBES, {"fp32": REFERENCE, "int8": COARSE, "fp8": LOUD}, ["int8"])
    assert compared.identical == ["fp32"]
    assert [row[0] for row in compared.chosen] == ["PyTorch", "int8", "difference ×\u00a032"]
    assert [row[0] for row in compared.all] == [
        *("PyTorch", "fp32", "int8", "difference ×\u00a032", "fp8", "difference ×\u00a04")
    ]
    assert compared.columns[:2] == ["made by", "probe 5"]
    for row in compared.all:
        assert len(row) == len(compared.columns)
        for cell in row[1:]:
            assert isinstance(cell, PageImage)
            assert size_of(cell) == (16, 16)
            assert (cell.width, cell.height) == (96, 96)
    coarse, loud = compared.worst
    # 4 grey levels * 32 = 128, and twice as much would be white; so would be 50 * 8.
    assert [coarse[place] for place in (0, 4, 5, 6)] == ["int8", "36.1", "32", "5"]
    assert loud[5] == "4"
    assert str(coarse[7]).startswith("seed 105, prompt “a circle")
    assert len(str(coarse[7])) < 80


def test_without_a_choice_the_pictures_of_all_variants_are_shown_first() -> None:
    compared = compare_pictures(PROBES, {"fp32": REFERENCE, "int8": COARSE}, [])
    assert compared.chosen == compared.all


def test_a_variant_with_pictures_of_another_shape_is_left_out_of_the_comparison() -> None:
    compared = compare_pictures(PROBES, {"fp32": REFERENCE, "odd": REFERENCE[:, :8]}, [])
    assert compared.identical == ["fp32"]
    assert compared.worst == []


def test_the_page_begins_with_verdict_precision_gain_date_and_machine(read_page: Any) -> None:
    timed = {"timed_at": "2026-11-25", "timed_on": "AMD EPYC, 2 cores"}
    page_ = read_page(page(environment={"torch": "2", **timed}))
    (verdict,) = page_.of_class("verdict")
    assert verdict.of_class("badge")[0].text == "passed"
    for expected in ("generator.int8.openvino.onnx", "INT8", "2.00 ×", *timed.values()):
        assert expected in verdict.text
    assert verdict.all("code")[0].text == "litho deploy tiny --variant generator.int8.openvino.onnx"
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


def test_the_plot_names_every_timed_variant_once() -> None:
    labels = {one.name: one.precision for one in VARIANTS}
    chart = speed_chart(VARIANTS, ["generator.int8.openvino.onnx"], labels)
    assert chart is not None
    svg = chart.light.decode()
    for name in ("fp32", "int8", "fp8"):
        assert len(re.findall(rf">{name}<", svg)) == 1
    assert "bf16" not in svg
    assert chart.dark != chart.light
    assert speed_chart(VARIANTS[:1], (), labels) is None
