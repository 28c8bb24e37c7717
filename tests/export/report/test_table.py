from __future__ import annotations

import numpy as np
import pytest

from litho.export.report.table import decide
from litho.parity.gate import Gate, Replay, judge

from .conftest import COARSE, REFERENCE, VARIANTS, manifest_of


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
    verdict = judge([Replay(pictures, REFERENCE)], gate)
    assert verdict.status == "failed"
    assert complaint in verdict.reason
    assert "\n" not in verdict.reason
