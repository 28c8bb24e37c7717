"""The roofline of a stored result of an endpoint, under ceilings that are easy to follow."""

from pathlib import Path

import pytest

import litho
from litho.benchmarks import BenchResult, read_result
from litho.benchmarks.load.page.page import page
from litho.benchmarks.load.page.roofline_plot import roofline_chart
from litho.benchmarks.roofline.ceilings import Bandwidth, Ceilings, Peak
from litho.benchmarks.roofline.served import ServedStage, roofline_of
from litho.benchmarks.roofline.work import Work

RESULTS = Path(litho.__file__).parent / "benchmarks/results"


@pytest.fixture(scope="module")
def result() -> BenchResult:
    stored = read_result(RESULTS / "cgan-digits-endpoint.json")
    work = Work(operations={"fp32": 1e7}, weight_bytes=1e5, activation_bytes=1e4, largest_bytes=5e3)
    stage = ServedStage(name="generator", variant=stored.variant, runtime="onnxruntime", calls=1, work=work)
    ceilings = Ceilings(
        threads=1,
        peaks=(Peak(runtime="onnxruntime", precision="fp32", per_second=1e12, source="a product"),),
        bandwidths=(Bandwidth(working_set=1 << 28, per_second=1e11, source="triad"),),
    )
    loads = [(point.images_per_second, point.load.batch) for point in stored.points]
    return stored.model_copy(update={"roofline": roofline_of([stage], ceilings, loads)})


def test_every_load_is_a_point_below_the_roof(result: BenchResult) -> None:
    drawn = roofline_chart(result)
    assert drawn is not None
    *_, points = drawn.specification["layer"]
    assert len(points["data"]["values"]) == len(result.points)
    assert drawn.title == "Roofline of onnxruntime"
    assert "of what compute allows" in str(points) or "of what memory allows" in str(points)
    assert roofline_chart(result.model_copy(update={"roofline": None})) is None


def test_the_page_has_the_share_on_its_first_screen(result: BenchResult, read_page) -> None:
    shown = read_page(page(result))
    (verdict,) = shown.of_class("verdict")
    assert "share of the roofline" in verdict.text
    assert "Roofline of onnxruntime" in shown.text
    assert "G operations/s of fp32 in onnxruntime (a product)" in shown.text
    assert BenchResult.model_validate_json(result.model_dump_json()) == result
