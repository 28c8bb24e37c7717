from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from litho.bundle import Bundle
from litho.errors import LithoError
from litho.export import build
from litho.export.build import export
from litho.export.precisions import Lowering, layers, precision
from litho.export.source import open_source
from litho.export.validation.distance import Distance
from litho.export.validation.proof import Proof
from litho.export.validation.reference import Reference
from litho.runners._graph_options import OPTIMIZATION, graph_option
from litho.runners.onnxruntime import Runner as OnnxRuntime
from litho.runners.torch import Runner as TorchRunner

pytestmark = pytest.mark.slow


def test_the_gate_fails_a_graph_of_other_weights(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is planted where an exporter's would be: between the module and the bytes of its graph."""
    faithful = build.export_graph

    def faulty(module, signature, metadata, weights):
        for parameter in module.parameters():
            parameter.data.mul_(1.5)
        return faithful(module, signature, metadata, weights)

    monkeypatch.setattr(build, "export_graph", faulty)
    (variant,) = export(run, to=tmp_path / "bundle", timed=False).manifest.variants
    assert variant.verdict.status == "failed"
    assert "max difference" in variant.verdict.reason


def test_the_share_of_a_proof_that_is_done_rises_to_all_of_it(run: Path, bundle: Path) -> None:
    pipeline, opened = open_source(run).pipeline, Bundle.load(bundle)
    graph = opened.read(opened.manifest.variants[0].file)
    reference = Reference(pipeline.model)
    proof = Proof(pipeline, {"generator": graph}, opened.probes(), Distance(reference, None, samples=32))
    shares: list[float] = []
    reference.made, proof.progress = proof.count, shares.append
    for name in ("fp32", "fp16", "bf16"):
        shares.clear()
        made = graph if name == "fp32" else precision("fp16").lower(Lowering(graph))
        assert proof.judge("generator", made, "onnxruntime", precision(name)).verdict.status == "passed"
        assert shares == sorted(shares)
        assert shares[0] < 0.2
        assert shares[-1] == 1
        assert shares.count(1) == 1


@pytest.mark.parametrize("order", [("fp32", "fp16"), ("fp16", "fp32")], ids=" then ".join)
def test_a_verdict_on_a_graph_holds_for_the_precision_that_it_was_judged_by(
    order: tuple[str, ...], run: Path, bundle: Path
) -> None:
    """One graph, whose limits differ: what passed as FP16 is not FP32, whichever was asked first."""
    pipeline, opened = open_source(run).pipeline, Bundle.load(bundle)
    graph = opened.read(opened.manifest.variants[0].file)
    halves = precision("fp16").lower(Lowering(graph))
    distance = Distance(TorchRunner(pipeline.model), None, samples=32)
    proof = Proof(pipeline, {"generator": graph}, opened.probes(), distance)
    judged = {name: proof.judge("generator", halves, "onnxruntime", precision(name)) for name in order}
    assert judged["fp16"].verdict.status == "passed"
    assert judged["fp32"].verdict.status == "failed"
    assert "identical pixels" in judged["fp32"].verdict.reason
    for name in order:
        again = proof.judge("generator", halves, "onnxruntime", precision(name))
        assert again is judged[name], "the same question is not answered twice"
    assert proof.judge("generator", graph, "onnxruntime", precision("fp32")).verdict.status == "passed"


def test_each_stage_gets_the_level_of_optimisation_that_it_needs_itself(
    flow_run: Path, flow_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted in ONNX Runtime: it refuses the text encoder's graph with more optimisation than "basic"."""
    pipeline, bundle = open_source(flow_run).pipeline, Bundle.load(flow_bundle)
    graphs = {stage: bundle.read(f"graphs/{stage}.fp32.onnx") for stage in pipeline.stages}
    bad, fp32 = graphs["text_encoder"], precision("fp32")
    opens = OnnxRuntime._open

    def refusing(self: OnnxRuntime, model: bytes, *rest: Any, **further: Any) -> Any:
        if model.startswith(bad) and graph_option(model, OPTIMIZATION) not in ("basic", "disabled"):
            raise LithoError("ONNX Runtime refuses the graph: planted")
        return opens(self, model, *rest, **further)

    monkeypatch.setattr(OnnxRuntime, "_open", refusing)
    probes = replace(bundle.probes().first(8), others=())
    proof = Proof(pipeline, graphs, probes, Distance(TorchRunner(pipeline.model), None, samples=8))
    for stage in ("denoiser", "text_encoder", "decoder"):
        judged = proof.judge(stage, graphs[stage], "onnxruntime", fp32)
        assert judged.verdict.status == "passed"
        assert judged.graph.startswith(graphs[stage])
        level = graph_option(judged.graph, OPTIMIZATION)
        assert level == ("basic" if stage == "text_encoder" else None)
    assert proof.squared_error("denoiser", graphs["denoiser"], "onnxruntime") < 1


def test_a_graph_that_runs_at_no_level_has_failed_with_the_first_reason(run: Path, bundle: Path) -> None:
    pipeline, opened = open_source(run).pipeline, Bundle.load(bundle)
    graph = opened.read(opened.manifest.variants[0].file)
    distance = Distance(TorchRunner(pipeline.model), None, samples=8)
    proof = Proof(pipeline, {"generator": graph}, opened.probes(), distance)
    judged = proof.judge("generator", graph[: len(graph) // 2], "onnxruntime", precision("fp32"))
    assert judged.verdict.status == "failed"
    assert judged.verdict.reason.startswith("ONNX Runtime refuses the graph: ")
    assert judged.graph == graph[: len(graph) // 2]
    assert judged.pictures is None


def test_layers_measured_in_one_session_have_the_errors_of_a_graph_each(run: Path, bundle: Path) -> None:
    pipeline, opened, int8 = open_source(run).pipeline, Bundle.load(bundle), precision("int8")
    graph = opened.read(opened.manifest.variants[0].file)
    distance = Distance(TorchRunner(pipeline.model), None, samples=8)
    proof = Proof(pipeline, {"generator": graph}, opened.probes(), distance)
    calibration = [pipeline.signature.example(16, seed=1)]
    lowering = Lowering(graph, frozenset(), calibration, OnnxRuntime.integers)
    names, switched = layers(onnx.load_from_string(graph)), int8.switched(lowering)
    assert switched is not None
    together = proof.squared_errors("generator", switched, len(names))
    each = [
        proof.squared_error(
            "generator", int8.lower(replace(lowering, fp32_layers=frozenset(names) - {name})), "onnxruntime"
        )
        for name in names
    ]
    assert min(each) > 0
    assert together == pytest.approx(each, rel=0.1)
    assert proof.squared_errors("generator", graph[: len(graph) // 2], len(names)) is None
