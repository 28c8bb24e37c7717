"""Quantization as TensorRT takes it, from graphs as CPUs take them."""

from typing import Any

import numpy as np
import onnx

from litho.export.naming import precisions_of
from litho.export.passes import apply_passes
from litho.export.precisions import Lowering, precision
from litho.runners.base import Integers

CPU = Integers(unsigned=True, between=True)


def _residual(build: Any) -> bytes:
    """Conv, ReLU, depth-to-space, Conv, a residual sum, tanh."""
    random = np.random.default_rng(0)
    nodes = [
        ("Conv", ["x", "w0"], "a", {}),
        ("Relu", ["a"], "b", {}),
        ("DepthToSpace", ["b"], "c", {"blocksize": 2, "mode": "CRD"}),
        ("Conv", ["c", "w1"], "d", {}),
        ("Add", ["c", "d"], "e", {}),
        ("Conv", ["e", "w1"], "f", {}),
        ("Add", ["e", "f"], "g", {}),
        ("Conv", ["g", "w1"], "h", {}),
        ("Tanh", ["h"], "y", {}),
    ]
    weights = {
        "w0": random.standard_normal((8, 2, 1, 1)).astype(np.float32),
        "w1": random.standard_normal((2, 2, 1, 1)).astype(np.float32),
    }
    named, _ = apply_passes(
        build(nodes, weights, {"x": ["batch", 2, 4, 4]}), ["cleanup", "activations_first"]
    )
    model = onnx.load_from_string(named)
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node{number}"
    return model.SerializeToString()


def _types(graph: bytes) -> list[int]:
    model = onnx.load_from_string(graph)
    zeros = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    return [zeros[node.input[2]] for node in model.graph.node if node.op_type == "QuantizeLinear"]


def test_only_the_inputs_of_layers_stay_quantized_and_all_of_them_signed(build: Any) -> None:
    random = np.random.default_rng(1)
    calibration = [{"x": random.standard_normal((8, 2, 4, 4)).astype(np.float32)}]
    made = precision("int8").lower(Lowering(_residual(build), frozenset(), calibration, CPU))
    assert onnx.TensorProto.UINT8 in _types(made)
    changed, counts = apply_passes(made, ["explicit_int8"])
    assert counts["explicit_int8"] > 0
    assert set(_types(changed)) == {onnx.TensorProto.INT8}
    model = onnx.load_from_string(changed)
    assert list(precisions_of(model).values()) == ["int8"] * 4
    quantized = {node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    makers = {node.output[0]: node.op_type for node in model.graph.node}
    # Not what a convolution gives to a residual sum or to a tanh.
    assert sorted(makers.get(name, "input") for name in quantized) == ["Add", "Add", "DepthToSpace", "input"]
    assert apply_passes(changed, ["explicit_int8"]) == (changed, {})


def test_a_graph_without_quantization_stays_as_it_is(build: Any) -> None:
    graph = _residual(build)
    assert apply_passes(graph, ["explicit_int8"]) == (graph, {})
