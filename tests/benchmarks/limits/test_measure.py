"""The measurement of limits on tiny generators, with kernels that take no time."""

import json
from pathlib import Path

import pytest

from litho.benchmarks.limits.measure import Plan, measure_limits, write_limits
from litho.benchmarks.limits.page import ceiling_lines, rows
from litho.benchmarks.limits.roofline import Limits
from litho.benchmarks.roofline.ceilings import Kernel
from litho.errors import UsageError

QUICK = Plan(
    batches=(1, 2),
    threads=1,
    seconds=0.01,
    kernels=[Kernel(channels=64, side=16, window=3, batch=2)],
    working_sets=[1 << 16, 1 << 20],
)


@pytest.fixture(scope="module")
def limits(bundle: Path, flow_bundle: Path) -> Limits:
    return measure_limits([bundle, flow_bundle], QUICK, "litho bench limits tiny")


def test_every_stage_has_its_share(limits: Limits) -> None:
    tiny, flow = limits.models
    (form,) = tiny.forms
    assert [one.batch for one in form.stages[0].reached] == [1, 2]
    assert form.at(2).share == pytest.approx(form.stages[0].reached[1].share)
    assert [stage.name for stage in flow.forms[0].stages] == ["text_encoder", "denoiser", "decoder"]
    assert flow.operations > flow.forms[0].stages[1].work.all_operations
    shares = [one.share for model in limits.models for each in model.forms for one in each.whole]
    assert all(share is not None and 0 < share <= 1 for share in shares)


def test_nothing_exceeds_its_ceiling(limits: Limits) -> None:
    for model in limits.models:
        for form in model.forms:
            for stage in form.stages:
                assert all(one.share is None or one.share <= 1 + 1e-9 for one in stage.reached)
                assert all(one.bound == "none" for one in stage.reached) is (stage.name == "decoder")


def test_pictures_are_held_against_the_probes(limits: Limits) -> None:
    for model in limits.models:
        assert [form.most_levels <= 1 and form.psnr_mean_db > 78 for form in model.forms] == [True]
        assert all(one.on_front for form in model.forms for one in form.whole)


def test_the_document_is_written_and_names_no_folder(limits: Limits, bundle: Path, tmp_path: Path) -> None:
    write_limits(limits, tmp_path)
    content = (tmp_path / "limits.json").read_text()
    assert Limits.model_validate(json.loads(content)) == limits
    assert str(bundle.parent) not in content
    assert any(line.startswith("| tiny | fp32 in onnxruntime |") for line in rows(limits))
    assert "Peak of fp32 in onnxruntime" in ceiling_lines(limits)[0]


@pytest.mark.parametrize("batches", [(), (0, 1), (2, 2)])
def test_batches_are_different_numbers(batches: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="different numbers of at least 1"):
        Plan(batches=batches)


def test_seconds_are_positive() -> None:
    with pytest.raises(UsageError, match="seconds was given 0"):
        Plan(seconds=0)


def test_a_target_is_a_run_or_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no bundle and no run"):
        measure_limits([tmp_path], QUICK, "")
