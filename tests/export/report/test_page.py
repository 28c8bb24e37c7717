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
from litho.export.report.choice import recommend
from litho.export.report.page import render_report
from litho.export.report.panels import compare_pictures
from litho.export.report.scatter import speed_chart
from litho.export.report.table import decide
from litho.parity.gate import Gate, judge
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


def words(html: str) -> str:
    """What a page says, without its style, its elements and its pictures."""
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL).split())


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
        == "generator.int8.openvino.onnx keeps 2 of 9 layers in FP32, the most sensitive block.conv."
    )
    assert decision.notes[1].startswith("generator.fp8.onnx failed: the pictures are too far from PyTorch's")
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
    assert decision.choice == "No variant is recommended: none of those that passed was timed."
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
        (Gate(identical_share=0.999), COARSE, "only 91.67% of the pixels are as they were"),
        (Gate(min_psnr_db=40), COARSE, "the worst picture is too far from PyTorch's (PSNR min 36.1 dB;"),
        (Gate(mean_psnr_db=99), COARSE, "the pictures are too far from PyTorch's (PSNR mean"),
    ],
)
def test_a_failing_verdict_says_what_is_wrong(gate: Gate, pictures: np.ndarray, complaint: str) -> None:
    verdict = judge([pictures], REFERENCE, gate)
    assert verdict.status == "failed"
    assert complaint in verdict.reason
    assert "\n" not in verdict.reason


def test_every_row_shows_the_same_probes_and_each_variant_s_worst_is_among_them() -> None:
    compared = compare_pictures(PROBES, {"fp32": REFERENCE, "int8": COARSE, "fp8": LOUD})
    assert compared.identical == ("fp32",)
    coarse, loud = compared.worst
    assert (coarse.variant, coarse.probe) == ("int8", 5)
    assert coarse.inputs.startswith("seed 105, prompt “a circle")
    assert len(coarse.inputs) < 80
    assert coarse.amplification == 32  # 4 * 32 = 128, and twice as much would be white
    assert loud.amplification == 4  # 50 * 4 = 200
    # PyTorch, fp32, int8 and fp8 with a row of differences each: six rows of pictures.
    grid = Image.open(io.BytesIO(compared.panel))
    assert 6 * 96 < grid.height < 7 * 100 + 40


def test_a_variant_with_pictures_of_another_shape_is_left_out_of_the_panels() -> None:
    compared = compare_pictures(PROBES, {"fp32": REFERENCE, "odd": REFERENCE[:, :8]})
    assert compared.identical == ("fp32",)
    assert compared.worst == ()


def test_the_page_has_table_plot_pictures_layers_and_gains() -> None:
    html = page(gains=(Gain(stage="generator", name="folding", ratio=1.234, lower=1.1, upper=1.3),))
    text = words(html)
    for expected in (
        "4 variants: 2 passed, 1 failed, 1 not run on this machine.",
        "litho deploy tiny --variant generator.int8.openvino.onnx",
        "block.conv, last.conv",
        "2 of 9",
        "1.23 times (1.10 to 1.30)",
        "batch normalisation and constant scales folded into weights",
        "probe 5 (seed 105",
        "Found nothing to change: linear, upsample, cleanup.",
        "Not one pixel of any probe differs: fp32.",
    ):
        assert expected in text
    assert html.count("data:image/svg+xml") == 2
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert page(gains=(Gain(stage="generator", name="folding", ratio=1.234, lower=1.1, upper=1.3),)) == html


def test_the_page_of_untimed_variants_has_no_plot_and_says_so() -> None:
    html = page(variants=[one.model_copy(update={"timings": ()}) for one in VARIANTS])
    assert "image/svg+xml" not in html
    assert "No variant is recommended" in words(html)


def test_the_plot_names_every_timed_variant_once() -> None:
    chart = speed_chart(VARIANTS, ["generator.int8.openvino.onnx"], lambda one: one.precision)
    assert chart is not None
    svg = chart.light.decode()
    for name in ("fp32", "int8", "fp8"):
        assert len(re.findall(rf">{name}<", svg)) == 1
    assert "bf16" not in svg
    assert chart.dark != chart.light
    assert speed_chart(VARIANTS[:1], (), lambda one: one.name) is None
