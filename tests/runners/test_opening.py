"""From a target to an open runner: bundles, runs, and what is neither."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.bundle import Bundle
from litho.bundle.manifest import FileRecord, Manifest, Stage, Variant, Verdict
from litho.errors import BundleError, UnknownName, UsageError
from litho.runners import Worker, choose_variants, named_variants, open_isolated, open_runner
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
        text, promise = repr(runner), runner.promise
    assert text.startswith("<onnxruntime runner: generator.fp32.onnx in ONNX Runtime ")
    assert text.endswith(" on cpu>")
    assert promise == "generator.fp32.onnx in fp32, which promises the same picture"


def test_no_more_pictures_are_made_at_once_than_the_variant_is_proven_with(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    fewer = tuple(one.model_copy(update={"batches": (1, 4, 5)}) for one in loaded.manifest.variants)
    large = Bundle(bundle, loaded.manifest.model_copy(update={"variants": fewer}))
    with open_runner(loaded) as whole, open_runner(large) as parts, Worker() as worker:
        assert (whole.max_batch_size, parts.max_batch_size) == (64, 5)
        few = whole.generate(seed=range(12), label=3), parts.generate(seed=range(12), label=3)
        assert np.abs(few[0].astype(int) - few[1]).max() <= 1
        with open_isolated(large, None, worker) as apart:
            assert apart.max_batch_size == 5


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


def of_variants(*described: tuple[Any, ...], recommended: tuple[str, ...] = ()) -> Bundle:
    """A bundle, without files, whose variants have these stages, precisions, runtimes and targets; all passed."""
    plain = of_verdicts("passed")
    first = plain.manifest.variants[0]
    variants = tuple(
        first.model_copy(
            update={"name": name, "stage": stage, "precision": precision, "runtime": runtime, **rest}
        )
        for name, stage, precision, runtime, rest in described
    )
    stages = dict.fromkeys(one.stage for one in variants)
    (stage,) = plain.manifest.stages
    update = {
        "variants": variants,
        "recommended": recommended,
        "stages": tuple(stage.model_copy(update={"name": name}) for name in stages),
    }
    return Bundle(Path("tiny"), plain.manifest.model_copy(update=update))


WEAK = {"grade": "same distribution"}
GENERATOR = (
    ("generator.fp32.onnx", "generator", "fp32", "onnxruntime", {}),
    ("generator.fp16.onnx", "generator", "fp16", "onnxruntime", {}),
    ("generator.int8.onnx", "generator", "int8", "onnxruntime", WEAK),
    ("generator.int8.openvino.onnx", "generator", "int8", "openvino", WEAK),
    ("generator.int8.sm86.rtx", "generator", "int8", "tensorrt-rtx", {"target": "sm86", **WEAK}),
)


def test_the_recommended_variant_is_the_default_where_it_may_be_chosen() -> None:
    for recommended in (GENERATOR[1][0], GENERATOR[3][0]):
        bundle = of_variants(*GENERATOR, recommended=(recommended,))
        assert choose_variants(bundle)[0].name == recommended
    (chosen,) = choose_variants(bundle, None, lambda variant: variant.grade == "same picture")
    assert chosen.name == "generator.fp32.onnx"
    engine = of_variants(*GENERATOR, recommended=("generator.int8.sm86.rtx",))
    assert choose_variants(engine)[0].name == "generator.fp32.onnx"
    assert choose_variants(engine, portable=False)[0].name == "generator.int8.sm86.rtx"


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("fp16", "generator.fp16.onnx"),
        ("generator.fp16", "generator.fp16.onnx"),
        ("int8.onnxruntime", "generator.int8.onnx"),
        ("int8.onnx", "generator.int8.onnx"),
        ("int8.openvino", "generator.int8.openvino.onnx"),
        ("int8.openvino.onnx", "generator.int8.openvino.onnx"),
        ("int8.tensorrt-rtx", "generator.int8.sm86.rtx"),
        ("int8.sm86.rtx", "generator.int8.sm86.rtx"),
        ("generator.int8.sm86.rtx", "generator.int8.sm86.rtx"),
    ],
)
def test_a_short_name_is_a_precision_or_a_precision_and_a_runtime(name: str, full: str) -> None:
    (chosen,) = choose_variants(of_variants(*GENERATOR), name)
    assert chosen.name == full


def test_a_short_name_of_several_runtimes_is_the_recommended_one_or_refused() -> None:
    with pytest.raises(
        UsageError, match=r"'int8' fits 'generator.int8.onnx' and 'generator.int8.openvino.onnx'"
    ):
        choose_variants(of_variants(*GENERATOR), "int8")
    for recommended in ("generator.int8.openvino.onnx", "generator.int8.onnx"):
        bundle = of_variants(*GENERATOR, recommended=(recommended,))
        assert choose_variants(bundle, "int8")[0].name == recommended
    (chosen,) = choose_variants(of_variants(*GENERATOR, recommended=("generator.fp32.onnx",)), "int8")
    assert chosen.name == "generator.int8.onnx"  # by the runtime of the recommended one
    failed = {**WEAK, "verdict": Verdict(status="failed", reason="too dark")}
    mixed = of_variants(*GENERATOR[:2], (*GENERATOR[2][:4], failed), *GENERATOR[3:])
    assert choose_variants(mixed, "int8")[0].name == "generator.int8.openvino.onnx"
    with pytest.raises(UnknownName, match="unknown variant 'int4'"):
        choose_variants(mixed, "int4")


def test_a_short_name_is_for_every_stage_that_has_such_a_variant() -> None:
    bundle = of_variants(
        ("encoder.fp32.onnx", "encoder", "fp32", "onnxruntime", {}),
        ("denoiser.fp32.onnx", "denoiser", "fp32", "onnxruntime", {}),
        ("denoiser.int8.onnx", "denoiser", "int8", "onnxruntime", WEAK),
        ("decoder.fp32.onnx", "decoder", "fp32", "onnxruntime", {}),
        ("decoder.int8.onnx", "decoder", "int8", "onnxruntime", WEAK),
    )
    names = [variant.name for variant in choose_variants(bundle, "int8")]
    assert names == ["encoder.fp32.onnx", "denoiser.int8.onnx", "decoder.int8.onnx"]
    names = [variant.name for variant in choose_variants(bundle, "denoiser.int8")]
    assert names == ["encoder.fp32.onnx", "denoiser.int8.onnx", "decoder.fp32.onnx"]
    assert [variant.name for variant in named_variants(bundle, "int8")] == [
        "denoiser.int8.onnx",
        "decoder.int8.onnx",
    ]
    with pytest.raises(UsageError, match="both of stage 'denoiser'"):
        choose_variants(bundle, "int8,denoiser.fp32.onnx")


def test_what_is_opened_by_default_promises_the_same_picture_and_runs_here(bundle: Path) -> None:
    """A recommended variant that is weaker, or of a runtime that is not installed, is passed over."""
    loaded = Bundle.load(bundle)
    (first,) = loaded.manifest.variants
    for update in (WEAK, {"runtime": "tensorrt"}, {"runtime": "unheard-of"}):
        other = first.model_copy(update={"name": "generator.other", **update})
        manifest = loaded.manifest.model_copy(
            update={"variants": (first, other), "recommended": ("generator.other",)}
        )
        with open_runner(Bundle(loaded.path, manifest)) as runner:
            assert runner.variant == first.name
    same = first.model_copy(update={"name": "generator.other"})
    manifest = loaded.manifest.model_copy(
        update={"variants": (first, same), "recommended": ("generator.other",)}
    )
    with open_runner(Bundle(loaded.path, manifest)) as runner:
        assert runner.variant == "generator.other"


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_does_not_change_the_picture(threads: int, bundle: Path) -> None:
    with open_runner(bundle) as usual, open_runner(bundle, threads=threads) as runner:
        expected = usual.generate(seed=[1, 2, 3], label=4)
        assert np.abs(runner.generate(seed=[1, 2, 3], label=4).astype(int) - expected).max() <= 1
        assert runner._session.get_session_options().intra_op_num_threads == threads  # pyright: ignore


def test_no_threads_at_all_are_refused(bundle: Path) -> None:
    with pytest.raises(UsageError, match="threads was given 0; allowed is 1 or more"):
        open_runner(bundle, threads=0)
