"""From a target to an open runner: bundles, runs, and what is neither."""

from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.errors import UnknownName, UsageError
from litho.runners import choose_variants, open_runner


def test_one_variant_of_each_stage_is_chosen(flow_bundle: Path) -> None:
    bundle = Bundle.load(flow_bundle)
    names = [f"{stage}.fp32.onnx" for stage in ("text_encoder", "denoiser", "decoder")]
    for given in (None, names[1], f"{names[2]}, {names[0]}"):
        assert [variant.name for variant in choose_variants(bundle, given)] == names
    with pytest.raises(UsageError, match="name one for each stage"):
        choose_variants(bundle, f"{names[1]},{names[1]}")
    with pytest.raises(UnknownName, match="unknown variant 'denoiser'"):
        choose_variants(bundle, "denoiser")


def test_a_runner_shows_its_variant_and_where_it_runs(bundle: Path) -> None:
    with open_runner(bundle) as runner:
        text = repr(runner)
    assert text.startswith("<onnxruntime runner: generator.fp32.onnx in ONNX Runtime ")
    assert text.endswith(" on cpu>")


def test_a_run_is_opened_in_pytorch(run: Path) -> None:
    with open_runner(run) as runner:
        assert (runner.name, runner.variant) == ("torch", "")


def test_what_is_nothing_to_open_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no bundle, run or endpoint; make one with 'litho export'"):
        open_runner(tmp_path)
