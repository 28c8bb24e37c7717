"""The page of limits, of a document that was put together by hand."""

import io

import pytest
from PIL import Image

from litho.benchmarks.limits.page import ceiling_lines, charts_of, form_table, page, picture, rows
from litho.benchmarks.limits.roofline import (
    Form,
    FormAtBatch,
    Limits,
    ModelLimits,
    Stage,
    with_ceilings,
    with_front,
)
from litho.benchmarks.roofline.ceilings import Bandwidth, Ceilings, Peak
from litho.benchmarks.roofline.reached import reached
from litho.benchmarks.roofline.work import Work
from litho.benchmarks.shared.machine import describe_machine

CEILINGS = Ceilings(
    threads=1,
    peaks=tuple(
        Peak(runtime="onnxruntime", precision=name, per_second=speed, source="a product")
        for name, speed in (("fp32", 1e9), ("int8", 4e9))
    ),
    bandwidths=(
        Bandwidth(working_set=1 << 20, per_second=1e9, source="triad"),
        Bandwidth(working_set=1 << 28, per_second=1e8, source="triad"),
    ),
)


def form(precision: str, milliseconds: float, near: float) -> Form:
    work = Work(operations={precision: 1e6}, weight_bytes=1e4, activation_bytes=1e3, largest_bytes=500)
    timed = tuple(reached(work, "onnxruntime", CEILINGS, batch, batch * milliseconds, 3) for batch in (1, 8))
    return Form(
        name=f"{precision} in onnxruntime",
        runtime="onnxruntime",
        precision=precision,
        psnr_mean_db=near,
        psnr_min_db=near,
        most_levels=1,
        stages=(Stage(name="generator", variant="", calls=1, work=work, reached=timed),),
        whole=tuple(
            FormAtBatch(batch=batch, images_per_second=1e3 / milliseconds, share=None) for batch in (1, 8)
        ),
    )


@pytest.fixture(scope="module")
def limits() -> Limits:
    model = ModelLimits(
        name="tiny",
        family="cgan",
        weights_sha256="0" * 64,
        operations=1e6,
        operations_by_torch=1e6,
        forms=with_front([form("fp32", 4, 99), form("int8", 2, 40)], (1, 8)),
        left_out={"generator.bf16.onnx": "ONNX Runtime has no BF16"},
    )
    return Limits(
        command="litho bench limits tiny",
        measured_at="2026-01-02T03:04:05+00:00",
        seconds=1,
        machine=describe_machine(),
        batches=(1, 8),
        ceilings=CEILINGS,
        models=(with_ceilings(model, CEILINGS),),
    )


def test_the_table_has_speed_share_and_front(limits: Limits) -> None:
    headings, table = form_table(limits)
    assert headings[4:] == ["images/s at 1", "share at 1", "images/s at 8", "share at 8"]
    assert table[0] == ["tiny", "fp32 in onnxruntime", "99.0", "1", "250 *", "25%", "250 *", "25%"]
    assert len(rows(limits)) > len(table)
    assert ceiling_lines(limits)[0] == "Peak of fp32 in onnxruntime: 1 G operations/s (a product)."


def test_charts_show_every_stage_and_form(limits: Limits) -> None:
    roofline, share, against_error = charts_of(limits)
    assert roofline.title == "Roofline of onnxruntime"
    assert "4 measured stages" in roofline.alt
    assert share.title == "Share of the roofline at batch 8"
    assert "2 forms" in against_error.alt


def test_the_page_begins_with_the_largest_share(limits: Limits, read_page) -> None:
    shown = read_page(page(limits))
    (verdict,) = shown.of_class("verdict")
    assert (
        "tiny reaches 25% of what this machine allows, with fp32 in onnxruntime at batch 1." in verdict.text
    )
    for expected in (limits.machine.processor, "2026-01-02", "main memory"):
        assert expected in verdict.text
    assert "generator.bf16.onnx was left out: ONNX Runtime has no BF16" in shown.text


def test_the_picture_is_a_png(limits: Limits) -> None:
    assert Image.open(io.BytesIO(picture(limits))).format == "PNG"
