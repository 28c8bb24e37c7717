"""One graph for all measurements of a search: an input of its own says which layer is lowered.

A session takes longer to open than a few pictures take to make, and a search measures every layer of a graph by
itself. Each layer is a choice between the layer in FP32 and the same layer between quantize and dequantize nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....extras import require
from ..base import SWITCH
from ._placement import Quantized

if TYPE_CHECKING:
    import onnx

__all__ = ["Plan", "switched"]


@dataclass(frozen=True)
class Plan:
    """How a layer is lowered.

    Args:
        input: how its first input is quantized.
        weights: its quantized weights.
        output: how what it gives is quantized, after its ReLU if it has one; None if that stays as it is.
        relu: whether that ReLU follows.
    """

    input: Quantized
    weights: Quantized
    output: Quantized | None = None
    relu: bool = False


def switched(proto: onnx.ModelProto, plans: Mapping[str, Plan], element: str) -> bytes:
    """Content of the file of a graph that lowers the layer whose number its input `SWITCH` holds, not checked.

    Args:
        proto: the FP32 graph, which holds its weights itself.
        plans: name of each layer -> how it is lowered. The numbers count them from 0; no other number lowers a layer.
        element: what its layers compute in; runners read it from the file without parsing the graph.
    """
    onnx = require("onnx", "export")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    made = type(proto)()
    made.CopyFrom(proto)
    numbers = {name: number for number, name in enumerate(plans)}
    made.graph.input.append(helper.make_tensor_value_info(SWITCH, floats, ["switches"]))
    made.graph.initializer.append(_tensor(f"{SWITCH}.first", np.array(0, np.int64)))
    nodes = [helper.make_node("Gather", [SWITCH, f"{SWITCH}.first"], [f"{SWITCH}.number"])]
    for node in proto.graph.node:
        if node.name not in plans:
            nodes.append(node)
            continue
        name = f"{SWITCH}.{node.name}"
        made.graph.initializer.append(_tensor(f"{name}.number", np.array(numbers[node.name], np.float32)))
        nodes += [
            helper.make_node("Equal", [f"{SWITCH}.number", f"{name}.number"], [f"{name}.lowered"]),
            helper.make_node(
                "If",
                [f"{name}.lowered"],
                list(node.output),
                then_branch=_lowered(node, name, plans[node.name]),
                else_branch=_as_it_is(node, name),
            ),
        ]
    del made.graph.node[:], made.graph.value_info[:]
    made.graph.node.extend(nodes)
    made.metadata_props.add(key="litho.element", value=element)
    return made.SerializeToString(deterministic=True)


def _as_it_is(node: onnx.NodeProto, name: str) -> onnx.GraphProto:
    onnx = require("onnx", "export")
    layer = type(node)()
    layer.CopyFrom(node)
    layer.output[:] = [f"{name}.fp32"]
    output = onnx.helper.make_tensor_value_info(f"{name}.fp32", onnx.TensorProto.FLOAT, None)
    return onnx.helper.make_graph([layer], f"{name}.else", [], [output])


def _lowered(node: onnx.NodeProto, name: str, plan: Plan) -> onnx.GraphProto:
    onnx = require("onnx", "export")
    helper = onnx.helper
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(what: str, content: Any) -> str:
        constants.append(_tensor(f"{name}.{what}", content))
        return f"{name}.{what}"

    def pair(what: str, value: str, how: Quantized) -> str:
        zero = np.zeros((), _numpy_type(how.element))
        scales = [constant(f"{what}.scale", how.scale), constant(f"{what}.zero", zero)]
        small, back = f"{name}.{what}.quantized", f"{name}.{what}.dequantized"
        nodes.append(helper.make_node("QuantizeLinear", [value, *scales], [small]))
        nodes.append(helper.make_node("DequantizeLinear", [small, *scales], [back]))
        return back

    weights = plan.weights
    zeros = np.zeros(weights.scale.shape, _numpy_type(weights.element))
    parts = {"content": weights.content, "scale": weights.scale, "zero": zeros}
    inputs = [constant(f"weights.{what}", content) for what, content in parts.items()]
    nodes.append(helper.make_node("DequantizeLinear", inputs, [f"{name}.weights"], axis=weights.axis))
    layer = type(node)()
    layer.CopyFrom(node)
    layer.input[:2] = [pair("input", node.input[0], plan.input), f"{name}.weights"]
    layer.output[:] = [f"{name}.output"]
    nodes.append(layer)
    last = f"{name}.output"
    if plan.output is not None:
        if plan.relu:  # the graph's own follows, and changes nothing more
            nodes.append(helper.make_node("Relu", [last], [f"{name}.relu"]))
            last = f"{name}.relu"
        last = pair("output", last, plan.output)
    output = helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, None)
    return helper.make_graph(nodes, f"{name}.then", [], [output], constants)


def _numpy_type(element: str) -> Any:
    import onnx_ir as ir

    return ir.DataType[element].numpy()


def _tensor(name: str, content: Any) -> onnx.TensorProto:
    import onnx_ir as ir

    return ir.to_proto(ir.tensor(np.ascontiguousarray(content).reshape(content.shape), name=name))
