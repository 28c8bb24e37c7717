from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from litho.export.precisions import Inputs, Lowering, precision

from .conftest import lowered

helper = onnx.helper

Array = NDArray[Any]


def in_fp16(
    nodes: Sequence[onnx.NodeProto], constants: Mapping[str, Array], x: Array
) -> tuple[Array, Array, dict[str, int]]:
    """What a graph from x to y, of shape (batch, 2), computes in FP32 and in FP16, and the types in FP16."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", x.shape[1]])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 2])],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    content = model.SerializeToString()
    smaller = precision("fp16").lower(Lowering(content))
    wanted, made = (onnxruntime.InferenceSession(one).run(None, {"x": x})[0] for one in (content, smaller))
    values = onnx.shape_inference.infer_shapes(onnx.load_from_string(smaller)).graph.value_info
    return wanted, made, {value.name: value.type.tensor_type.elem_type for value in values}


def test_angles_of_many_turns_are_not_rounded() -> None:
    """y = [cos 1000 t', sin 1000 t'] W + (1 - t'), where t' is x put beside itself."""
    weights = np.random.default_rng(0).standard_normal((4, 2), dtype=np.float32)
    nodes = [
        helper.make_node("Concat", ["x", "x"], ["twice"], "twice", axis=1),
        helper.make_node("Mul", ["twice", "turns"], ["angles"], "angles"),
        helper.make_node("Cos", ["angles"], ["cosines"], "cosines"),
        helper.make_node("Sin", ["angles"], ["sines"], "sines"),
        helper.make_node("Concat", ["cosines", "sines"], ["waves"], "waves", axis=1),
        helper.make_node("MatMul", ["waves", "weights"], ["product"], "product"),
        helper.make_node("Sub", ["one", "twice"], ["rest"], "rest"),
        helper.make_node("Add", ["product", "rest"], ["y"], "y"),
    ]
    constants = {"turns": np.float32(1000), "one": np.float32(1), "weights": weights}
    x = np.linspace(0, 1, 50, dtype=np.float32)[:, None]
    wanted, made, types = in_fp16(nodes, constants, x)
    assert np.abs(made - wanted).max() < 0.01
    assert types["product"] == types["rest"] == onnx.TensorProto.FLOAT16
    assert types["angles"] == types["cosines"] == onnx.TensorProto.FLOAT


def test_numbers_beyond_the_range_of_fp16_keep_their_worth() -> None:
    """y = x / (x + 1e-15) where x may be 0, then what a mask of -1e30 leaves of it."""
    nodes = [
        helper.make_node("Add", ["x", "faint"], ["sum"], "sum"),
        helper.make_node("Reshape", ["sum", "shape"], ["moved"], "moved"),
        helper.make_node("Div", ["x", "moved"], ["share"], "share"),
        helper.make_node("Mul", ["share", "two"], ["twice"], "twice"),
        helper.make_node("Add", ["twice", "mask"], ["masked"], "masked"),
        helper.make_node("Max", ["masked", "mask"], ["kept"], "kept"),
        helper.make_node("Sub", ["kept", "mask"], ["lifted"], "lifted"),
        helper.make_node("Add", ["lifted", "twice"], ["y"], "y"),
    ]
    constants = {
        "faint": np.float32(1e-15),
        "two": np.float32(2),
        "mask": np.float32([0, -1e30]),
        "shape": np.int64([-1, 2]),
    }
    x = np.float32([[0, 0], [1, 3], [0, 1]])
    wanted, made, types = in_fp16(nodes, constants, x)
    np.testing.assert_allclose(made, wanted, atol=0.01)
    assert types["twice"] == onnx.TensorProto.FLOAT16
    assert types["share"] == types["masked"] == onnx.TensorProto.FLOAT


@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_noise_and_pixels_stay_in_fp32(name: str, graph: bytes, calibration: list[Inputs]) -> None:
    model = onnx.load_from_string(lowered(name, graph, calibration))
    types = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    smaller = {tensor.name for tensor in model.graph.initializer if tensor.data_type in types}
    smaller |= {
        output
        for node in model.graph.node
        for output in node.output
        if node.op_type == "Cast" and node.attribute[0].i in types
    }
    for node in model.graph.node:
        if node.name.startswith(("noise/", "pixels/")):
            assert not smaller & set(node.input), node.name
