"""Where quantize and dequantize nodes stand."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from litho.export.passes import apply_passes, default_passes
from litho.export.precisions import Inputs, Lowering, layers, precision
from litho.runners.base import Integers, graph_runtimes, runner_class


def _lowered(graph: bytes, calibration: list[Inputs], integers: Integers) -> onnx.ModelProto:
    int8 = precision("int8")
    names = {*default_passes(), *(integers.passes.get(name, name) for name in int8.passes)}
    rewritten, _ = apply_passes(graph, names)
    return onnx.load_from_string(int8.lower(Lowering(rewritten, frozenset(), calibration, integers)))


def _kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node if not node.name.startswith(("noise/", "pixels/"))]


def test_each_layer_reads_one_quantized_value_and_moves_are_done_in_eight_bits(
    graph: bytes, calibration: list[Inputs]
) -> None:
    model = _lowered(graph, calibration, Integers())
    assert Counter(_kinds(model))["QuantizeLinear"] == len(layers(onnx.load_from_string(graph)))
    kinds = [kind for kind in _kinds(model) if kind not in ("QuantizeLinear", "DequantizeLinear")]
    makers = {node.output[0]: node for node in model.graph.node}
    quantized = [
        makers[node.input[0]].op_type for node in model.graph.node if node.op_type == "QuantizeLinear"
    ]
    # After the noise and after each ReLU, which stands next to its layer; not before the tanh.
    assert Counter(quantized[1:]) == {"Relu": len(quantized) - 1}
    assert kinds.index("Relu") < kinds.index("Reshape")


def test_noise_is_quantized_behind_the_node_that_makes_it(graph: bytes, calibration: list[Inputs]) -> None:
    model = _lowered(graph, calibration, Integers())
    first = next(node for node in model.graph.node if node.op_type == "QuantizeLinear")
    assert first.input[0] == "noise"


def test_only_a_runtime_that_wants_it_gets_unsigned_activations(
    graph: bytes, calibration: list[Inputs]
) -> None:
    def types(integers: Integers) -> set[int]:
        model = _lowered(graph, calibration, integers)
        zeros = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
        return {zeros[node.input[2]] for node in model.graph.node if node.op_type == "QuantizeLinear"}

    assert types(Integers()) == {onnx.TensorProto.INT8}
    assert types(Integers(unsigned=True)) == {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}


def test_between_dequantize_and_quantize_nodes_stands_every_move(
    graph: bytes, calibration: list[Inputs]
) -> None:
    model = _lowered(graph, calibration, Integers(between=True))
    makers = {node.output[0]: node.op_type for node in model.graph.node}
    readers = {name: node.op_type for node in model.graph.node for name in node.input}
    moved = [
        (makers[node.input[0]], readers[node.output[0]])
        for node in model.graph.node
        if node.op_type in ("DepthToSpace", "Slice", "Reshape")
        and makers.get(node.input[0]) == "DequantizeLinear"
    ]
    assert moved
    assert set(moved) == {("DequantizeLinear", "QuantizeLinear")}


@pytest.mark.parametrize("runtime", graph_runtimes())
def test_every_runtime_of_graphs_runs_what_is_made_for_it(
    runtime: str, graph: bytes, calibration: list[Inputs], picture: object
) -> None:
    runner = runner_class(runtime)
    made = _lowered(graph, calibration, runner.integers).SerializeToString()
    signature = picture.signature  # pyright: ignore[reportAttributeAccessIssue]
    with runner.from_graph(apply_passes(made, runner.passes)[0], signature) as opened:
        assert opened.run(signature.example(3))["image"].std() > 1


def test_a_convolution_before_a_scale_of_each_class_is_one_in_eight_bits_in_onnxruntime(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(random.normal(size=(8, 8, 3, 3)).astype(np.float32) / 8, f"w{index}")
        for index in range(2)
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["y"], name="first", pads=[1] * 4),
        helper.make_node("Mul", ["y", "scale"], ["scaled"], name="scales"),
        helper.make_node("Relu", ["scaled"], ["seen"], name="relu"),
        helper.make_node("Conv", ["seen", "w1"], ["z"], name="last", pads=[1] * 4),
        helper.make_node("Tanh", ["z"], ["image"], name="tanh"),
    ]
    shapes = {"x": ["batch", 8, 8, 8], "scale": ["batch", 8, 1, 1], "image": ["batch", 8, 8, 8]}
    values = {
        name: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    }
    graph = helper.make_graph(nodes, "scaled", [values["x"], values["scale"]], [values["image"]], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    batch = {
        "x": random.normal(size=(4, 8, 8, 8)).astype(np.float32),
        "scale": random.uniform(0.5, 2, (4, 8, 1, 1)).astype(np.float32),
    }
    lowering = Lowering(model.SerializeToString(), frozenset(), [batch], runner_class("onnxruntime").integers)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(
        precision("int8").lower(lowering), options, providers=["CPUExecutionProvider"]
    )
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert kinds["QLinearConv"] == 1
