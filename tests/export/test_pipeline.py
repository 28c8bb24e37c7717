import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from litho.bundle import Bundle
from litho.bundle.probes import EXTREMES
from litho.errors import IntegrityError, InvalidInput, UsageError
from litho.export import build
from litho.export.build import export
from litho.export.engines import build_engine
from litho.export.pipeline import FreeOrSize
from litho.export.source import open_source
from litho.parity.verify import verify
from litho.runners import open_runner
from litho.runners.torch import Runner as TorchRunner
from litho.training.run.snapshot import save_snapshot

from ..smallest import smallest_generator

pytestmark = pytest.mark.slow

STAGES = ["text_encoder", "denoiser", "decoder"]
GRAPHS = [f"{stage}.fp32.onnx" for stage in STAGES]

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "cyclegan": {"resolution": 16},
    "inpaint": {"resolution": 14, "channels": 3},
    "pix2pix": {"resolution": 16},
    "superres": {"resolution": 32},
}
"""Image-to-image families -> architecture of their smallest generator."""


def test_a_bundle_of_stages_holds_their_graphs_and_the_tokenizer(flow_bundle: Path) -> None:
    manifest = Bundle.load(flow_bundle).manifest
    assert manifest.sampler == "rectified-flow"
    assert [stage.name for stage in manifest.stages] == STAGES
    assert set(manifest.files) == {
        *(f"graphs/{graph}" for graph in GRAPHS),
        "tokenizer.json",
        "probes.safetensors",
        "report.html",
    }
    assert "tokenizers" in manifest.environment
    assert [(variant.name, variant.verdict.status) for variant in manifest.variants] == [
        (graph, "passed") for graph in GRAPHS
    ]


def test_each_stage_takes_what_the_one_before_gives(flow_bundle: Path) -> None:
    encoder, denoiser, decoder = (stage.signature for stage in Bundle.load(flow_bundle).manifest.stages)
    takes = {field.role: field for field in denoiser.inputs}
    assert takes[encoder.output.role] == encoder.output
    assert denoiser.output.shape == takes[denoiser.output.role].shape == decoder.inputs[0].shape


def test_probes_are_of_many_scripts_and_lengths_with_steps_and_guidance_mixed(flow_bundle: Path) -> None:
    probes = Bundle.load(flow_bundle).probes()
    prompts = probes.inputs["prompt"].tolist()
    assert "" in prompts
    assert max(len(prompt) for prompt in prompts) > 500
    for letter in "aк一ح🔴":
        assert any(letter in prompt for prompt in prompts)
    steps, guidance = probes.inputs["steps"], probes.inputs["guidance"]
    assert {1, 2, 64} <= set(steps.tolist())
    assert {0.0, 10.0} <= set(guidance.tolist())
    # The most steps are taken at the most guidance and with a prompt: there rounding has the most to grow on.
    extremes = next(bank for bank in probes.others if bank.name == EXTREMES).inputs
    rows = zip(extremes["prompt"], extremes["steps"], extremes["guidance"], strict=True)
    assert any(prompt and count == 64 and weight == 10 for prompt, count, weight in rows)
    assert len({image.tobytes() for image in probes.images}) > len(prompts) // 2


def test_a_stage_that_differs_fails_the_gate(
    flow_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is planted where an exporter's would be: between a module and the bytes of its graph."""
    faithful = build.export_graph

    def faulty(module: Any, signature: Any, metadata: Any, weights: Any) -> bytes:
        if signature.output.name == "embedding":
            module.meaning.weight.data.mul_(1.5)
        return faithful(module, signature, metadata, weights)

    monkeypatch.setattr(build, "export_graph", faulty)
    made = export(flow_run, to=tmp_path / "bundle", timed=False)
    for variant in made.manifest.variants:
        assert variant.verdict.status == "failed"
        assert "max difference" in variant.verdict.reason
    assert {outcome.verdict.status for outcome in verify(made.path)} == {"failed"}


def test_every_variant_is_verified_with_the_other_stages(flow_bundle: Path) -> None:
    outcomes = verify(flow_bundle)
    assert [outcome.subject for outcome in outcomes] == GRAPHS
    assert {outcome.verdict.status for outcome in outcomes} == {"passed"}


def test_one_changed_byte_of_the_tokenizer_is_named(flow_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(flow_bundle, tmp_path / "bundle")
    tokenizer = tmp_path / "bundle" / "tokenizer.json"
    content = bytearray(tokenizer.read_bytes())
    content[len(content) // 2] ^= 1
    tokenizer.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"tokenizer\.json has changed"):
        verify(tmp_path / "bundle")


def test_the_same_export_is_kept_and_another_tokenizer_replaces_it(flow_run: Path, tmp_path: Path) -> None:
    shutil.copytree(flow_run, tmp_path / "run")
    first = export(tmp_path / "run", to=tmp_path / "bundle", timed=False)
    images = first.probes().images
    made = (first.path / "manifest.json").stat().st_mtime_ns
    export(tmp_path / "run", to=tmp_path / "bundle", timed=False)
    assert (first.path / "manifest.json").stat().st_mtime_ns == made
    snapshot = tmp_path / "run" / "snapshot.json"
    document = json.loads(snapshot.read_text())
    tokenizer = {
        **json.loads(document["architecture"]["tokenizer"]),
        "normalizer": None,
    }  # capitals count now
    document["architecture"]["tokenizer"] = json.dumps(tokenizer)
    snapshot.write_text(json.dumps(document))
    again = export(tmp_path / "run", to=tmp_path / "bundle", timed=False)
    assert again.manifest.checkpoint_sha256 == first.manifest.checkpoint_sha256
    assert again.read("tokenizer.json").decode() == document["architecture"]["tokenizer"]
    assert not np.array_equal(again.probes().images, images)


def test_every_stage_gets_an_engine_for_every_target(flow_run: Path, tmp_path: Path) -> None:
    made = export(
        flow_run, to=tmp_path / "bundle", runtimes=["onnxruntime", "tensorrt-rtx"], targets=["sm86", "sm120"]
    )
    engines = [variant for variant in made.manifest.variants if variant.runtime == "tensorrt-rtx"]
    assert [(engine.stage, engine.target) for engine in engines] == [
        (stage, target) for stage in STAGES for target in ("sm86", "sm120")
    ]
    assert {engine.verdict.status for engine in engines} == {"not_run"}
    assert all(one.engine is not None and (one.engine.build_seconds or 0) > 0 for one in engines)
    statuses = {outcome.subject: outcome.verdict.status for outcome in verify(made.path)}
    assert [statuses[graph] for graph in GRAPHS] == ["passed"] * 3


def a_run(name: str, path: Path) -> Path:
    torch.manual_seed(0)
    save_snapshot(path, smallest_generator(name, **ARCHITECTURES[name]), family=name, preset="none")
    return path


def an_export(name: str, folder: Path, size: FreeOrSize = "free", **options: Any) -> Bundle:
    return export(a_run(name, folder / "run"), to=folder / "bundle", size=size, timed=False, **options)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_any_allowed_size_gives_pytorch_s_picture_in_every_runtime(name: str, tmp_path: Path) -> None:
    bundle = an_export(name, tmp_path, runtimes=["onnxruntime", "openvino"])
    signature = bundle.manifest.signature
    source = signature.sized_by
    assert source is not None
    (least, *_), (most, *_) = source.extreme_shapes
    drawn = np.random.default_rng(0).integers(least, most, 4, endpoint=True)
    first, second, third, fourth = (source.nearest_side(int(side)) for side in drawn)
    reference = TorchRunner(open_source(tmp_path / "run", size="free").pipeline.model)
    for variant in bundle.manifest.variants:
        assert variant.verdict.status == "passed", variant.verdict.reason
        with open_runner(bundle, variant.name) as runner:
            for size in ((first, second), (third, fourth), (most, most), (least, least)):
                inputs = signature.with_size(*size).example(2, seed=7)
                made, wanted = (one.run(inputs)["image"] for one in (runner, reference))
                assert made.shape == signature.output_shape(inputs)
                assert np.abs(made.astype(int) - wanted).max() <= 1


def test_a_bundle_replays_other_sizes_than_the_usual_one(tmp_path: Path) -> None:
    bundle = an_export("pix2pix", tmp_path)
    others = [bank for bank in bundle.probes().others if bank.name.startswith("size ")]
    assert [bank.images.shape[1:3] for bank in others] == [(8, 8), (16, 32), (64, 8)]
    assert all(set(bank.inputs) == {"seed", "source"} for bank in others)
    assert [outcome.verdict.status for outcome in verify(bundle.path)] == ["passed"]


def test_one_other_size_can_be_asked_for(tmp_path: Path) -> None:
    bundle = an_export("superres", tmp_path, (12, 20))
    signature = bundle.manifest.signature
    assert (signature.inputs[0].shape, signature.output.shape) == ((12, 20, 3), (48, 80, 3))
    assert bundle.probes().others == ()
    with open_runner(bundle) as runner, pytest.raises(InvalidInput, match=r"shape \(1, 8, 8, 3\)"):
        runner.run({"source": np.zeros((1, 8, 8, 3), np.uint8)})


@pytest.mark.parametrize(
    ("size", "complaint"),
    [((20, 18), "allowed is .* height and width 8 to 64, divisible by 4"), ((128, 64), "8 to 64")],
)
def test_a_size_that_the_network_cannot_take_is_refused(
    size: FreeOrSize, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        an_export("cyclegan", tmp_path, size)
    assert not (tmp_path / "bundle").exists()


def test_a_generator_of_one_size_says_so(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="makes pictures of one size, 32x32; leave --size out"):
        export(run, to=tmp_path / "bundle", size="free")


def test_another_size_is_another_bundle(tmp_path: Path) -> None:
    free = an_export("cyclegan", tmp_path).manifest.signature
    assert an_export("cyclegan", tmp_path, (16, 16)).manifest.signature != free


def test_an_engine_takes_every_size_between_the_smallest_and_the_largest(tmp_path: Path) -> None:
    bundle = an_export("cyclegan", tmp_path)
    (variant,) = bundle.manifest.variants
    built = build_engine(bundle.read(variant.file), bundle.manifest.signature, "sm86")
    assert set(built.record.products.values()) == {"fp32"}
