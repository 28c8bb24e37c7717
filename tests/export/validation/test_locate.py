"""A layer that was planted in a graph is named by the gate that refuses the graph."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from litho.bundle import Bundle
from litho.bundle.manifest import Verdict
from litho.bundle.probes import Probes
from litho.export.graph import export_graph
from litho.export.passes import apply_passes, default_passes
from litho.export.pipeline import Pipeline
from litho.export.precisions import Lowering, Precision, precision
from litho.export.validation.distance import Distance
from litho.export.validation.locate import locate
from litho.export.validation.make_probes import make_probes
from litho.export.validation.proof import Proof
from litho.runners.base import graph_runtimes
from litho.runners.torch import Runner as TorchRunner
from litho.training.models.base import family
from litho.training.run.snapshot import load_snapshot, save_snapshot

FORMS = ("fp32", "fp32 rewritten", "fp16", "int8 rewritten")
"""Precisions, of the graph as it was exported or of one without transposed convolutions."""

Change = Callable[[np.ndarray], np.ndarray]

LAYERS = ("generator.upsamplers.0", "generator.upsamplers.1", "generator.upsamplers.2")
"""Transposed convolutions; the exporter folds the normalisation that follows into all but the last."""

FAULTS: dict[str, tuple[int, Change]] = {
    "swapped": (1, lambda kernel: kernel[::-1]),
    "transposed": (1, lambda kernel: kernel.transpose(0, 1, 3, 2)),
    "biased": (2, lambda bias: bias + np.where(np.arange(len(bias)) % 2, 1, -1).astype(np.float32)),
}
"""Fault -> which input of the layer it changes, and how."""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A DCGAN with random weights and statistics."""
    torch.manual_seed(0)
    generator = family("dcgan").generator(resolution=32, channels=3, width=8, latent_size=16).eval()
    for name, weights in generator.state_dict().items():
        if weights.ndim == 4:
            torch.nn.init.kaiming_normal_(weights)
        elif weights.ndim == 1:
            low = -0.3 if name.endswith(("bias", "mean")) else 0.7
            torch.nn.init.uniform_(weights, low, low + 0.6)
        elif weights.ndim:
            torch.nn.init.normal_(weights, 0, 0.5)
    path = tmp_path_factory.mktemp("runs") / "dcgan"
    save_snapshot(path, generator, family="dcgan", preset="none")
    return Pipeline.of(load_snapshot(path).picture())


@pytest.fixture(scope="module")
def graph(pipeline: Pipeline) -> bytes:
    return export_graph(pipeline.model, pipeline.signature, {})


@pytest.fixture(scope="module")
def probes(pipeline: Pipeline) -> Probes:
    return make_probes(TorchRunner(pipeline.model))


def proof_of(pipeline: Pipeline, graph: bytes, probes: Probes) -> Proof:
    return Proof(
        pipeline, {"generator": graph}, probes, Distance(TorchRunner(pipeline.model), None, samples=64)
    )


def planted(graph: bytes, layer: str, fault: str) -> bytes:
    """The graph with another constant as an input of the node that has the layer's weights."""
    place, change = FAULTS[fault]
    model = onnx.load_from_string(graph)
    node = next(node for node in model.graph.node if f"{layer}.weight" in node.input)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == node.input[place])
    changed = np.ascontiguousarray(change(numpy_helper.to_array(tensor)))
    tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
    return model.SerializeToString()


def made(graph: bytes, form: str, pipeline: Pipeline) -> tuple[bytes, Precision]:
    """The graph in one of `FORMS`, and the precision that it is to be judged by."""
    name, _, written = form.partition(" ")
    lower = precision(name)
    if written == "rewritten":
        graph, changed = apply_passes(graph, {*default_passes(), "subpixel"})
        assert changed["subpixel"] == len(LAYERS)
    return lower.lower(Lowering(graph, calibration=[pipeline.signature.example(32, seed=5)])), lower


def pictures(graph: bytes, probes: Probes) -> np.ndarray:
    """Of the probes, made by the graph in ONNX Runtime as it optimises it."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (made,) = session.run(None, probes.inputs)
    return np.asarray(made)


def reason(verdict: Verdict) -> str:
    assert verdict.status == "failed"
    assert "\n" not in verdict.reason
    return verdict.reason


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("layer", "fault"),
    [(LAYERS[0], "swapped"), (LAYERS[1], "transposed"), (LAYERS[2], "transposed"), (LAYERS[1], "biased")],
)
def test_the_layer_is_named(
    layer: str, fault: str, form: str, graph: bytes, pipeline: Pipeline, probes: Probes
) -> None:
    wrong, lower = made(planted(graph, layer, fault), form, pipeline)
    verdict = proof_of(pipeline, graph, probes).judge("generator", wrong, "onnxruntime", lower).verdict
    assert f"the first values that depart from the FP32 graph's are those of layer '{layer}'" in reason(
        verdict
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_where_the_fp32_graph_is_wrong_it_is_held_against_pytorch(
    form: str, graph: bytes, pipeline: Pipeline, probes: Probes
) -> None:
    exported = planted(graph, LAYERS[1], "transposed")
    wrong, lower = made(exported, form, pipeline)
    verdict = proof_of(pipeline, exported, probes).judge("generator", wrong, "onnxruntime", lower).verdict
    named = f"the first values that depart from PyTorch's are those of layer '{LAYERS[1]}'"
    assert named in reason(verdict)


@pytest.mark.slow
def test_a_graph_that_takes_noise_is_run_with_that_of_its_seeds(
    graph: bytes, pipeline: Pipeline, probes: Probes
) -> None:
    wrong, _ = apply_passes(planted(graph, LAYERS[1], "swapped"), graph_runtimes()["openvino"])
    verdict = (
        proof_of(pipeline, graph, probes).judge("generator", wrong, "openvino", precision("fp32")).verdict
    )
    assert f"are those of layer '{LAYERS[1]}'" in reason(verdict)


def test_a_graph_that_onnx_runtime_does_not_run_keeps_its_verdict(
    graph: bytes, pipeline: Pipeline, probes: Probes
) -> None:
    lower = precision("bf16")
    lowered = lower.lower(Lowering(planted(graph, LAYERS[1], "swapped")))
    wrong, _ = apply_passes(apply_passes(lowered, lower.passes)[0], graph_runtimes()["openvino"])
    verdict = proof_of(pipeline, graph, probes).judge("generator", wrong, "openvino", lower).verdict
    assert reason(verdict).endswith("or the precision loses too much")


@pytest.mark.slow
def test_errors_of_every_layer_are_not_put_down_to_one(
    graph: bytes, pipeline: Pipeline, probes: Probes
) -> None:
    model = onnx.load_from_string(graph)
    noise = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 4:
            kernel = numpy_helper.to_array(tensor)
            coarse = (kernel + noise.normal(0, 0.2 * kernel.std(), kernel.shape)).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(coarse, tensor.name))
    wrong, lower = made(model.SerializeToString(), "int8 rewritten", pipeline)
    verdict = proof_of(pipeline, graph, probes).judge("generator", wrong, "onnxruntime", lower).verdict
    assert "no layer departs by more than int8 explains; most is lost at layer 'generator." in reason(verdict)


def test_a_graph_that_is_right_says_that_its_runtime_is_not(
    graph: bytes, pipeline: Pipeline, probes: Probes
) -> None:
    wrong = 255 - probes.images
    said = locate(pipeline, "generator", (graph, graph), precision("fp32"), probes, wrong)
    assert said is not None
    assert said.startswith("the graph is right: ONNX Runtime without optimisation computes what PyTorch does")


def test_a_graph_with_a_wrong_layer_is_not_blamed_on_its_runtime_when_both_err(
    graph: bytes, pipeline: Pipeline, probes: Probes
) -> None:
    wrong = planted(graph, LAYERS[1], "transposed")
    said = locate(pipeline, "generator", (graph, wrong), precision("fp32"), probes, pictures(wrong, probes))
    assert said is not None
    assert said.startswith(
        "the graph is wrong by itself, also without optimisation: the first values that depart"
    )
    assert f"those of layer '{LAYERS[1]}'" in said


@pytest.mark.parametrize("from_the_start", [False, True], ids=["a pass", "the export"])
def test_a_graph_that_is_wrong_behind_its_last_layer_is_wrong_by_itself(
    from_the_start: bool, graph: bytes, pipeline: Pipeline, probes: Probes
) -> None:
    model = onnx.load_from_string(graph)
    last = next(node for node in model.graph.node if model.graph.output[0].name in node.output)
    last.output[0] = "before"
    model.graph.initializer.append(numpy_helper.from_array(np.array(3, np.uint8), "three"))
    model.graph.node.append(
        onnx.helper.make_node("Div", ["before", "three"], [model.graph.output[0].name], "pixels/Div")
    )
    wrong = model.SerializeToString()
    graphs = (wrong if from_the_start else graph, wrong)
    said = locate(pipeline, "generator", graphs, precision("fp32"), probes, pictures(wrong, probes))
    assert said is not None
    assert said.startswith("the graph is wrong by itself, also without optimisation: all values up to layer")
    assert said.endswith("are PyTorch's, but not the pixels made of them")


def test_a_graph_without_a_value_to_compare_is_wrong_by_itself(
    graph: bytes, pipeline: Pipeline, probes: Probes
) -> None:
    model = onnx.load_from_string(graph)
    grey = np.full((1, *probes.images.shape[1:]), 7, np.uint8)
    model.graph.initializer.append(numpy_helper.from_array(grey, "grey"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 1]), "ones"))
    kept = [
        onnx.helper.make_node("Shape", ["seed"], ["count"], "other/Shape"),
        onnx.helper.make_node("Concat", ["count", "ones"], ["repeats"], "other/Concat", axis=0),
        onnx.helper.make_node("Tile", ["grey", "repeats"], [model.graph.output[0].name], "other/Tile"),
    ]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    wrong = model.SerializeToString()
    said = locate(pipeline, "generator", (graph, wrong), precision("fp32"), probes, pictures(wrong, probes))
    assert said is not None
    assert said.startswith("the graph is wrong by itself, also without optimisation")


def test_of_a_stage_that_is_right_nothing_is_said_to_be_wrong(flow_run: Path, flow_bundle: Path) -> None:
    pipeline, bundle = Pipeline.of(load_snapshot(flow_run).picture()), Bundle.load(flow_bundle)
    graph = bundle.read(next(one.file for one in bundle.manifest.variants if one.stage == "denoiser"))
    bank = bundle.probes()
    said = locate(pipeline, "denoiser", (graph, graph), precision("fp32"), bank, 255 - bank.images)
    assert said is not None
    assert said.startswith("the graph is right")


def test_pictures_that_are_right_are_not_looked_into(
    graph: bytes, pipeline: Pipeline, probes: Probes
) -> None:
    wrong = planted(graph, LAYERS[1], "swapped")
    assert locate(pipeline, "generator", (graph, wrong), precision("fp32"), probes, probes.images) is None


@pytest.mark.parametrize("content", [b"", b"no graph"])
def test_what_cannot_be_read_is_not_located(
    content: bytes, graph: bytes, pipeline: Pipeline, probes: Probes
) -> None:
    wrong = 255 - probes.images
    assert locate(pipeline, "generator", (graph, content), precision("fp32"), probes, wrong) is None


def test_of_several_stages_the_one_that_failed_is_looked_into(flow_run: Path, flow_bundle: Path) -> None:
    pipeline, bundle = Pipeline.of(load_snapshot(flow_run).picture()), Bundle.load(flow_bundle)
    graphs = {variant.stage: bundle.read(variant.file) for variant in bundle.manifest.variants}
    model = onnx.load_from_string(graphs["denoiser"])
    layer, tensor = next(
        (node.name.partition("/")[0], tensor)
        for node in model.graph.node
        for tensor in model.graph.initializer
        if node.name.startswith("blocks.0.")
        and node.op_type in ("MatMul", "Gemm")
        and tensor.name == node.input[1]
    )
    tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
    distance = Distance(TorchRunner(pipeline.model), None, samples=64)
    proof = Proof(pipeline, graphs, bundle.probes(), distance)
    verdict = proof.judge("denoiser", model.SerializeToString(), "onnxruntime", precision("fp32")).verdict
    assert f"are those of layer '{layer}'" in reason(verdict)
    wrong, bank = model.SerializeToString(), bundle.probes()
    said = locate(pipeline, "denoiser", (wrong, wrong), precision("fp32"), bank, 255 - bank.images)
    assert said is not None
    assert said.startswith("the graph is wrong by itself")
    assert "depart from PyTorch's" in said
