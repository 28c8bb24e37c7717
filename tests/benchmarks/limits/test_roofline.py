"""Ceilings that nothing exceeds, and fronts, on numbers that are easy to follow."""

import pytest

from litho.benchmarks.limits.roofline import (
    Form,
    FormAtBatch,
    ModelLimits,
    Stage,
    front,
    raised,
    with_ceilings,
)
from litho.benchmarks.roofline.reached import reached
from litho.benchmarks.roofline.work import Work

from ..roofline.numbers import CEILINGS, COMPUTES, MOVES


@pytest.mark.parametrize(("work", "milliseconds"), [(COMPUTES, 0.5), (MOVES, 25.0)])
def test_what_is_faster_than_its_bound_is_the_better_measurement(work: Work, milliseconds: float) -> None:
    one = reached(work, "onnxruntime", CEILINGS, 1, milliseconds, 3)
    assert one.share is not None
    assert one.share > 1
    better = raised(CEILINGS, [("tiny", "onnxruntime", work, one)])
    assert reached(work, "onnxruntime", better, 1, milliseconds, 3).share == pytest.approx(1)
    sources = [each.source for each in (*better.peaks, *better.bandwidths)]
    assert sources.count("tiny at batch 1") == 1
    assert better.peak("onnxruntime", "int8") == CEILINGS.peak("onnxruntime", "int8")
    slower = reached(work, "onnxruntime", CEILINGS, 1, 1e3, 3)
    assert raised(CEILINGS, [("tiny", "onnxruntime", work, slower)]) == CEILINGS


def test_peaks_of_mixed_work_rise_together() -> None:
    mixed = COMPUTES.model_copy(update={"operations": {"fp32": 1e6, "int8": 8e6}})
    one = reached(mixed, "onnxruntime", CEILINGS, 1, 1.0, 3)
    better = raised(CEILINGS, [("tiny", "onnxruntime", mixed, one)])
    assert [peak.per_second for peak in better.peaks] == pytest.approx([3e9, 12e9])
    assert [peak.source for peak in better.peaks] == [
        "a product, raised with tiny at batch 1",
        "tiny at batch 1",
    ]


def test_the_front_has_what_nothing_beats() -> None:
    points = {"fast": (100.0, 30.0), "near": (10.0, 95.0), "beaten": (9.0, 90.0), "slow": (50.0, 29.0)}
    assert front(points) == {"fast", "near"}
    # Beyond what FP32 promises, nearer is not better.
    assert front({"one": (10.0, 80.0), "other": (10.0, 99.0), "slower": (9.0, 100.0)}) == {"one", "other"}


def test_shares_follow_the_ceilings() -> None:
    stage = Stage(
        name="denoiser",
        variant="",
        calls=4,
        work=COMPUTES,
        reached=(reached(COMPUTES, "onnxruntime", CEILINGS, 1, 2.0, 3),),
    )
    form = Form(
        name="fp32 in onnxruntime",
        runtime="onnxruntime",
        precision="fp32",
        psnr_mean_db=100,
        psnr_min_db=100,
        most_levels=0,
        stages=(stage,),
        whole=(FormAtBatch(batch=1, images_per_second=100, share=None),),
    )
    model = ModelLimits(
        name="tiny",
        family="cgan",
        weights_sha256="0" * 64,
        operations=4e6,
        operations_by_torch=None,
        forms=(form,),
        left_out={},
    )
    doubled = tuple(peak.model_copy(update={"per_second": 2 * peak.per_second}) for peak in CEILINGS.peaks)
    found = with_ceilings(model, CEILINGS.model_copy(update={"peaks": doubled})).form("fp32 in onnxruntime")
    assert found.stages[0].reached[0].share == pytest.approx(0.25)
    assert found.at(1).share == pytest.approx(4 * 0.5 / 10)
