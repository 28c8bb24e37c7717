"""From a target to an open runner: bundles, runs, and what is neither."""

from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.bundle.manifest import FileRecord, Manifest, Stage, Variant, Verdict
from litho.errors import BundleError, UnknownName, UsageError
from litho.runners import choose_variants, open_runner
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field


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


def of_verdicts(*statuses: str, target: str | None = None) -> Bundle:
    """A bundle, without files, whose variants have these verdicts in this order."""
    signature = Signature(inputs=(seed_field(),), output=image_output(8, 8, 1))
    variants = tuple(
        Variant(
            name=f"v{number}.{status}",
            stage="generator",
            precision="fp32",
            runtime="onnxruntime",
            target=target,
            file="graph",
            batches=(1, 8, 64),
            verdict=Verdict.model_validate({"status": status}),
        )
        for number, status in enumerate(statuses)
    )
    manifest = Manifest(
        name="tiny",
        family="gan",
        signature=signature,
        stages=(Stage(name="generator", signature=signature),),
        variants=variants,
        files={"graph": FileRecord.of(b"")},
        checkpoint_sha256="0" * 64,
        environment={},
    )
    return Bundle(Path("tiny"), manifest)


def test_only_a_variant_that_passed_is_chosen_by_default() -> None:
    (chosen,) = choose_variants(of_verdicts("not_run", "failed", "passed", "passed"))
    assert chosen.name == "v2.passed"
    for statuses in (("not_run",), ("failed",), ("not_run", "failed")):
        with pytest.raises(BundleError, match="no portable variant of 'generator' that passed its gate"):
            choose_variants(of_verdicts(*statuses))
    with pytest.raises(BundleError, match="no portable variant"):
        choose_variants(of_verdicts("passed", target="sm86"))


def test_a_variant_that_was_not_run_can_be_named() -> None:
    (chosen,) = choose_variants(of_verdicts("passed", "not_run"), "v1.not_run")
    assert chosen.verdict.status == "not_run"
