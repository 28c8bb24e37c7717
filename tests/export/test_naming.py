"""The rule of names: which layers a variant has in its precision, by arithmetic."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from litho.export.naming import Naming, check_name, precisions_of
from litho.export.precisions import Lowering, precision

CONV, SQUARE, LAST = 8 * 36 * 27, 8 * 36 * 36, 8 * 36 * 5


def _graph(*, modulated: bool = False, angles: bool = False) -> bytes:
    """A convolution, a product of its maps with themselves, and a small product; perhaps a weight by style."""
    random = np.random.default_rng(0)
    shapes = {"w": (8, 3, 3, 3), "last.w": (36, 5)}
    constants = [
        numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    constants += [
        numpy_helper.from_array(np.array(content), name)
        for name, content in {"flat": [0, 8, 36], "number": [1]}.items()
    ]
    nodes = [
        ("Abs", ["style"], "scale"),
        ("Mul", ["w", "scale"], "by_style"),
        ("Conv", ["x", "by_style" if modulated else "w"], "conv"),
        ("Reshape", ["conv", "flat"], "maps"),
        ("Transpose", ["maps"], "turned"),
        ("MatMul", ["turned", "maps"], "square"),
        ("MatMul", ["maps", "last.w"], "last"),
        ("Sin", ["last"], "sine") if angles else ("Relu", ["last"], "sine"),
        ("ReduceMean", ["square"], "mean"),
        ("Add", ["sine", "mean"], "y"),
    ]
    attributes: dict[str, dict[str, Any]] = {"turned": {"perm": [0, 2, 1]}, "conv": {"pads": [1] * 4}}
    if not modulated:
        nodes = nodes[2:]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 6, 6])]
    if modulated:
        inputs.append(helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 3, 1, 1]))
    made = helper.make_graph(
        [
            helper.make_node(kind, given, [name], name=name, **attributes.get(name, {}))
            for kind, given, name in nodes
        ],
        "graph",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True).SerializeToString()


def _lowered(name: str, graph: bytes, *fp32_layers: str) -> onnx.ModelProto:
    random = np.random.default_rng(1)
    inputs = [
        {
            value.name: random.standard_normal(
                [extent.dim_value or 2 for extent in value.type.tensor_type.shape.dim]
            ).astype(np.float32)
            for value in onnx.load_from_string(graph).graph.input
        }
    ]
    made = precision(name).lower(Lowering(graph, frozenset(fp32_layers), inputs))
    return onnx.load_from_string(made)


def _naming(name: str, model: onnx.ModelProto, *fp32_layers: str) -> Naming:
    return check_name(model, precisions_of(model), name, fp32_layers)


@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_every_product_is_in_a_smaller_floating_point_type(name: str) -> None:
    model = _lowered(name, _graph())
    assert precisions_of(model) == dict.fromkeys(("conv", "square", "last"), name)
    assert _naming(name, model) == Naming(1.0)
    assert _naming("fp32", onnx.load_from_string(_graph())) == Naming(None)


def test_a_product_of_two_activations_counts_as_arithmetic_that_int8_does_not_lower() -> None:
    model = _lowered("int8", _graph())
    assert precisions_of(model) == {"conv": "int8", "square": "fp32", "last": "int8"}
    share = (CONV + LAST) / (CONV + SQUARE + LAST)
    assert share < 0.5
    assert _naming("int8", model) == Naming(
        round(share, 4),
        "only 47% of the multiply-adds are in INT8, and 50% must be: square has 53% (it has no constant weights)",
    )


def test_a_weight_that_depends_on_a_style_cannot_be_lowered_and_the_name_is_refused() -> None:
    named = _naming("int8", _lowered("int8", _graph(modulated=True)))
    assert named.share == round(LAST / (CONV + SQUARE + LAST), 4)
    assert named.complaint == (
        "only 7% of the multiply-adds are in INT8, and 50% must be: square has 53% (it has no constant weights),"
        " conv has 40% (it has no constant weights)"
    )


def test_a_layer_that_the_search_keeps_is_excused_and_not_lowered() -> None:
    model = _lowered("fp16", _graph(), "square")
    assert _naming("fp16", model).complaint.startswith(
        "asked for fp16, but 1 of 3 convolutions and matrix products are not computed in it: square in fp32"
    )
    named = _naming("fp16", model, "square")
    assert named.complaint.endswith("square has 53% (an FP32 layer of the search)")
    assert _naming("fp16", _lowered("fp16", _graph(), "last"), "last") == Naming(
        round((CONV + SQUARE) / (CONV + SQUARE + LAST), 4)
    )


def test_angles_stay_in_fp32_without_a_complaint() -> None:
    model = _lowered("fp16", _graph(angles=True))
    # The convolution gives the values that the angles are computed from.
    assert precisions_of(model) == {"conv": "fp32", "square": "fp16", "last": "fp32"}
    assert _naming("fp16", model) == Naming(round(SQUARE / (CONV + SQUARE + LAST), 4))


def test_a_graph_without_products_may_have_any_name() -> None:
    model = onnx.load_from_string(_graph())
    del model.graph.node[:]
    assert _naming("int8", model) == Naming(None)
