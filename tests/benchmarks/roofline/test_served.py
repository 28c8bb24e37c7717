"""The roofline of a load: its arithmetic on easy numbers, and the work and ceilings of a real variant."""

from pathlib import Path

import pytest

from litho.benchmarks.roofline.ceilings import Bandwidth, Ceilings, Peak
from litho.benchmarks.roofline.served import ServedStage, measure_ceilings, roofline_of, stages_of
from litho.benchmarks.roofline.work import Work
from litho.bundle import Bundle
from litho.errors import UsageError

CEILINGS = Ceilings(
    threads=1,
    peaks=(Peak(runtime="onnxruntime", precision="fp32", per_second=1e9, source="a product"),),
    bandwidths=(Bandwidth(working_set=10**6, per_second=1e8, source="triad"),),
)


def stage(name: str, calls: int, operations: float) -> ServedStage:
    work = Work(operations={"fp32": operations}, weight_bytes=100, activation_bytes=10, largest_bytes=10)
    return ServedStage(name=name, variant=f"{name}.fp32.onnx", runtime="onnxruntime", calls=calls, work=work)


def test_the_share_is_the_least_time_of_all_calls_over_the_time_of_the_batch() -> None:
    stages = [stage("denoiser", 4, 1e6), stage("decoder", 1, 2e6)]
    found = roofline_of(stages, CEILINGS, [(100.0, 1), (100.0, 8)])
    one, eight = found.points
    assert found.main.name == "denoiser"
    # A picture takes 4 x 1 ms + 2 ms at the peak, and was made in 10 ms.
    assert (one.share, one.bound) == (pytest.approx(0.6), "compute")
    assert eight.share == pytest.approx(0.6)
    assert one.per_second == pytest.approx(6e8)
    assert eight.intensity > one.intensity
    assert found.ceilings == CEILINGS


def test_a_load_that_is_faster_than_the_ceilings_raises_them() -> None:
    found = roofline_of([stage("generator", 1, 1e6)], CEILINGS, [(500.0, 1), (2000.0, 1)])
    assert [one.share for one in found.points] == [pytest.approx(0.25), pytest.approx(1)]
    (peak,) = found.ceilings.peaks
    assert peak.per_second == pytest.approx(2e9)
    assert peak.source == "a product, raised 2.00 times to what a load reached"


def test_a_variant_is_counted_and_its_machine_measured(bundle: Path) -> None:
    (one,) = stages_of(Bundle.load(bundle), "generator.fp32.onnx")
    assert (one.name, one.runtime, one.calls) == ("generator", "onnxruntime", 1)
    assert one.work.all_operations > 0
    ceilings = measure_ceilings([one])
    assert ceilings.peak("onnxruntime", "fp32").per_second > 0
    assert ceilings.memory.working_set == 1 << 28


def test_what_has_no_roofline_is_refused(bundle: Path) -> None:
    opened = Bundle.load(bundle)
    with pytest.raises(UsageError, match="no operations to count in nothing"):
        stages_of(opened, "nothing")
    (variant,) = [one for one in opened.manifest.variants if one.name == "generator.fp32.onnx"]
    other = variant.model_copy(update={"runtime": "tensorrt"})
    manifest = opened.manifest.model_copy(update={"variants": (other,)})
    with pytest.raises(UsageError, match=r"generator\.fp32\.onnx runs in tensorrt"):
        stages_of(Bundle(opened.path, manifest), "generator.fp32.onnx")
