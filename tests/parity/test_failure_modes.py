"""A planted fault of each kind is caught by the gate, and named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from litho.bundle import Bundle
from litho.bundle.manifest import Figure, Verdict
from litho.bundle.probes import Probes
from litho.errors import ExportError
from litho.export.graph import export_graph
from litho.export.pipeline import Pipeline
from litho.export.precisions import Lowering, precision
from litho.export.validation.distance import Distance
from litho.export.validation.proof import Proof
from litho.export.variants import misnamed
from litho.parity.failure_modes import explain
from litho.parity.gate import Replay, judge
from litho.runners.torch import Runner as TorchRunner
from litho.training.run.snapshot import load_snapshot

pytestmark = pytest.mark.slow

Edit = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def pipeline(run: Path) -> Pipeline:
    return Pipeline.of(load_snapshot(run).picture())


@pytest.fixture(scope="module")
def graph(pipeline: Pipeline) -> bytes:
    return export_graph(pipeline.model, pipeline.signature, {})


@pytest.fixture(scope="module")
def proof(pipeline: Pipeline, graph: bytes, bundle: Path) -> Proof:
    distance = Distance(TorchRunner(pipeline.model), None, samples=64)
    return Proof(pipeline, {"generator": graph}, Bundle.load(bundle).probes(), distance)


def judged(proof: Proof, graph: bytes, name: str = "fp32") -> Verdict:
    return proof.judge("generator", graph, "onnxruntime", precision(name)).verdict


def edited(graph: bytes, edit: Edit) -> bytes:
    model = onnx.load_from_string(graph)
    edit(model)
    return model.SerializeToString()


def kernels(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    return [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4]


def write(tensor: onnx.TensorProto, content: np.ndarray) -> None:
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(content), tensor.name))


def swap_weights(model: onnx.ModelProto) -> None:
    """The first kernel with its output channels in the opposite order: another layer's weights of the same shape."""
    kernel = kernels(model)[0]
    write(kernel, numpy_helper.to_array(kernel)[:, ::-1])


def transpose_layer(model: onnx.ModelProto) -> None:
    kernel = kernels(model)[0]
    write(kernel, numpy_helper.to_array(kernel).transpose(0, 1, 3, 2))


def move_range(model: onnx.ModelProto) -> None:
    """127.5 x + 127.5 becomes 127.5 x + 128.5."""
    add = next(node for node in model.graph.node if node.name.startswith("pixels/") and node.op_type == "Add")
    model.graph.initializer.append(numpy_helper.from_array(np.float32(128.5), "moved"))
    add.input[1] = "moved"


def shift_labels(model: onnx.ModelProto) -> None:
    """Each label reads the row of the next one."""
    table = next(
        node for node in model.graph.node if "label" in node.input and node.op_type == "Gather"
    ).input[0]
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == table)
    write(tensor, np.roll(numpy_helper.to_array(tensor), -1, axis=0))


def test_without_a_fault_it_passes(proof: Proof, graph: bytes) -> None:
    assert judged(proof, graph).status == "passed"


@pytest.mark.parametrize("name", ["fp32", "fp16"])
@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (swap_weights, "are those of layer 'generator.upsamplers.0'"),
        (transpose_layer, "are those of layer 'generator.upsamplers.0'"),
        (shift_labels, "labels are shifted by one"),
    ],
)
def test_other_pictures_are_caught_and_named(
    name: str, edit: Edit, named: str, proof: Proof, graph: bytes
) -> None:
    verdict = judged(proof, edited(graph, edit), name)
    assert verdict.status == "failed"
    assert named in verdict.reason


@pytest.mark.parametrize("name", ["fp32", "fp16", "int8"])
def test_a_range_that_is_off_by_one_is_caught_and_named(name: str, proof: Proof, graph: bytes) -> None:
    verdict = judged(proof, edited(graph, move_range), name)
    assert verdict.status == "failed"
    assert "all pixels are +1 grey level off" in verdict.reason


class NormalisesOverTheBatch(nn.Module):
    """A picture whose normalisation was left in training mode."""

    def __init__(self, picture: Any) -> None:
        super().__init__()
        self.picture = picture

    def forward(self, *inputs: Any) -> torch.Tensor:
        images = self.picture.images(*inputs)
        mean = images.mean((0, 2, 3), keepdim=True)
        return self.picture.pixels((images - mean) / (images.var((0, 2, 3), keepdim=True) + 1e-5).sqrt() / 3)


def test_statistics_of_the_batch_are_caught_and_named(proof: Proof, pipeline: Pipeline) -> None:
    module = NormalisesOverTheBatch(pipeline.model).eval()
    verdict = judged(proof, export_graph(module, pipeline.signature, {}))
    assert verdict.status == "failed"
    assert "depends on the batch that it rides in" in verdict.reason


def test_a_model_in_training_mode_is_not_exported(pipeline: Pipeline) -> None:
    with pytest.raises(ExportError, match="training mode"):
        export_graph(nn.Sequential(nn.BatchNorm2d(3)).train(), pipeline.signature, {})


@pytest.mark.parametrize("name", ["fp16", "bf16", "int8", "fp8"])
def test_a_graph_that_is_silently_in_fp32_is_named(name: str, graph: bytes) -> None:
    named = misnamed(graph, precision(name), ())
    assert named.share == 0
    assert f"asked for {name}" in named.complaint
    assert "in fp32" in named.complaint


def test_a_figure_that_cannot_be_computed_fails_by_name() -> None:
    pictures = np.zeros((2, 4, 4, 1), np.uint8)
    verdict = judge(
        [Replay(pictures, pictures)],
        precision("int8").gate,
        [Figure(metric="FD ratio (net)", value=None)],
    )
    assert verdict.status == "failed"
    assert verdict.reason == "FD ratio (net) could not be computed"


def test_why_a_distance_cannot_be_computed_is_said(pipeline: Pipeline, graph: bytes, bundle: Path) -> None:
    distance = Distance(TorchRunner(pipeline.model), None, samples=1)
    proof = Proof(pipeline, {"generator": graph}, Bundle.load(bundle).probes(), distance)
    verdict = judged(proof, precision("fp16").lower(Lowering(graph)), "fp16")
    why = "1 pictures are too few for this figure; it needs 2 or more"
    assert verdict.status == "failed"
    assert verdict.reason == f"FD ratio (untrained net) could not be computed: {why}"
    assert "too few" not in verdict.model_dump_json(include={"figures"})


@pytest.mark.parametrize(
    ("channels", "change", "cause"),
    [
        (4, lambda images: images[..., [2, 1, 0, 3]], "red and blue are swapped"),
        (4, lambda images: images[..., [3, 0, 1, 2]], "alpha comes first"),
        (2, lambda images: images[..., ::-1], "alpha comes first"),
        (
            4,
            lambda images: np.concatenate((255 - images[..., :3], images[..., 3:]), -1),
            "black and white are",
        ),
        (
            4,
            lambda images: np.concatenate((images[..., :3], 255 - images[..., 3:]), -1),
            "transparent and opa",
        ),
        (
            2,
            lambda images: np.concatenate((images[..., :1], 255 - images[..., 1:]), -1),
            "transparent and opa",
        ),
        (3, lambda images: 255 - images, "black and white are swapped"),
    ],
)
def test_channels_that_are_mixed_up_are_named(channels: int, change: Any, cause: str) -> None:
    reference = np.random.default_rng(0).integers(0, 256, (4, 8, 8, channels), np.uint8)
    made = change(reference)
    failed = Verdict(status="failed", figures=(Figure(metric="PSNR", value=1, at_least=30),), reason="bad")
    runner: Any = None  # asked only for labels
    explained = explain(failed, [Replay(made, reference)], Probes({}, reference), runner)
    assert explained.reason.startswith(f"bad; {cause}")
