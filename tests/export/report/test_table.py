from __future__ import annotations

import numpy as np
import pytest

from litho.export.precisions import precision
from litho.export.report.table import decide
from litho.parity.gate import Gate, Replay, judge

from .conftest import COARSE, PARTED, REFERENCE, VARIANTS, manifest_of, variant


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
    assert [row["promises"] for row in cells] == [
        *("same picture", "same distribution", "same distribution", "same picture")
    ]
    assert "same distribution). Best that promises the same picture: generator.fp32.onnx (" in decision.choice
    assert (
        decision.command
        == "litho deploy bundles/tiny --variant generator.int8.openvino.onnx --grade same-distribution"
    )


def test_what_promises_the_same_picture_is_deployed_without_a_grade() -> None:
    decision = decide("tiny", manifest_of(VARIANTS[:1]))
    assert decision.command == "litho deploy tiny --variant generator.fp32.onnx"
    assert decision.choice.endswith("; same picture).")
    assert "Best that promises" not in decision.choice


def test_it_is_said_that_nothing_promises_the_same_picture() -> None:
    assert decide("tiny", manifest_of(VARIANTS[1:2])).choice.endswith(" Nothing promises the same picture.")


def test_the_probes_that_part_are_in_the_notes() -> None:
    gate = precision("fp16").limits("rectified-flow")
    fp16 = variant("generator.fp16.onnx", judge([Replay(PARTED, REFERENCE)], gate), 4000)
    (note,) = decide("tiny", manifest_of([fp16.model_copy(update={"file": VARIANTS[0].file})])).notes
    assert note == (
        "generator.fp16.onnx: 91.7% of the pictures are within the limits (PSNR at least 40 dB); probe 5 parts from"
        " PyTorch's."
    )


@pytest.mark.parametrize(
    ("level", "words"),
    [("extended", "with optimisation up to level extended"), ("disabled", "without optimisation")],
)
def test_a_variant_that_runs_with_less_optimisation_says_so(level: str, words: str) -> None:
    limited = VARIANTS[0].model_copy(update={"options": {"optimization": level}})
    assert decide("tiny", manifest_of([limited])).notes == [
        f"generator.fp32.onnx runs {words} in every runner: with more of it, its runtime crashed or failed."
    ]


def test_the_table_fits_120_columns_however_long_the_names() -> None:
    """Without the figures that a narrow terminal leaves out."""
    left_out = {"SSIM|right", "FD ratio|right"}
    long = [
        one.model_copy(update={"name": "text_encoder.fp16.openvino.onnx", "file": VARIANTS[0].file})
        for one in VARIANTS[:1]
    ]
    decision = decide("tiny", manifest_of([*long, *VARIANTS[1:]], aim="size", recommended=(long[0].name,)))
    columns = [
        [heading.removesuffix("|right"), *cells]
        for heading, *cells in zip(decision.columns, *decision.rows, strict=True)
        if heading not in left_out
    ]
    widths = [max(map(len, column)) for column in columns]
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
    verdict = judge([Replay(pictures, REFERENCE)], gate)
    assert verdict.status == "failed"
    assert complaint in verdict.reason
    assert "\n" not in verdict.reason


@pytest.mark.parametrize(
    ("share", "fp32_layers", "note"),
    [
        (0.9999, (), "has 99 % of the arithmetic in INT8."),
        (
            0.96,
            ("block.conv", "last.conv"),
            "has 96 % of the arithmetic in INT8; block.conv causes the largest error of those in FP32.",
        ),
        (None, ("block.conv",), "has 1 of 9 layers in FP32; block.conv causes the largest error."),
    ],
)
def test_how_much_of_the_arithmetic_is_in_the_precision_is_in_the_notes(
    share: float | None, fp32_layers: tuple[str, ...], note: str
) -> None:
    int8 = VARIANTS[1].model_copy(update={"lowered_share": share, "fp32_layers": fp32_layers})
    assert decide("tiny", manifest_of([int8])).notes == [f"generator.int8.openvino.onnx {note}"]
    whole = VARIANTS[1].model_copy(update={"lowered_share": 1.0, "fp32_layers": ()})
    assert decide("tiny", manifest_of([whole])).notes == []
