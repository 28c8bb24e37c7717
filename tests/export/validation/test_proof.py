from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.export import build
from litho.export.build import export
from litho.export.precisions import Lowering, precision
from litho.export.source import open_source
from litho.export.validation.distance import Distance
from litho.export.validation.proof import Proof
from litho.runners.torch import Runner as TorchRunner

pytestmark = pytest.mark.slow


def test_the_gate_fails_a_graph_of_other_weights(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is planted where an exporter's would be: between the module and the bytes of its graph."""
    faithful = build.export_graph

    def faulty(module, signature, metadata):
        for parameter in module.parameters():
            parameter.data.mul_(1.5)
        return faithful(module, signature, metadata)

    monkeypatch.setattr(build, "export_graph", faulty)
    (variant,) = export(run, to=tmp_path / "bundle", timed=False).manifest.variants
    assert variant.verdict.status == "failed"
    assert "max difference" in variant.verdict.reason


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
