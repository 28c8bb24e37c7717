"""The same graph with its middle in another floating-point type, and casts where that begins and ends.

ONNX Runtime's converter cannot be had for this: between two nodes that stay in FP32 it rounds to FP16 and back, which
no noise survives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...extras import require
from .base import Lowering, finished, fp32_nodes

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["lower_floats"]

_NEVER = frozenset({"Cast", "Clip", "Constant", "Dropout", "Range", "Resize", "Shape"})
"""Operators that take or make FP32 beside the picture, or for which a runtime lacks the smaller types."""


def lower_floats(lowering: Lowering, element: str, opset: int) -> bytes:
    """Let every node compute in a smaller type that may.

    Args:
        lowering: the graph in FP32 and the layers that stay so.
        element: ONNX's name of the type, "FLOAT16" or "BFLOAT16".
        opset: the least one whose operators take it.

    Returns:
        The content of the file, checked; its inputs and outputs are what they were.
    """
    onnx = require("onnx", "export")
    import onnx_ir as ir

    proto = onnx.load_from_string(lowering.graph)
    stay = set(fp32_nodes(proto, lowering.fp32_layers))
    model = ir.from_proto(onnx.shape_inference.infer_shapes(proto, strict_mode=True))
    lowered = [node for node in model.graph if node.name not in stay and _computes_floats(node)]
    _Types(model.graph, ir.DataType[element]).lower(lowered)
    model.graph.opset_imports[""] = max(opset, model.graph.opset_imports[""])
    return finished(ir.to_proto(model))


def _computes_floats(node: ir.Node) -> bool:
    """Whether a node computes with FP32 values alone, beside integers such as shapes."""
    import onnx_ir as ir

    types = {value.dtype for value in (*node.inputs, *node.outputs) if value is not None}
    floats = all(value.dtype == ir.DataType.FLOAT for value in node.outputs)
    return (
        floats
        and types <= {ir.DataType.FLOAT, ir.DataType.INT64}
        and node.op_type not in _NEVER
        and node.domain == ""
    )


class _Types:
    """Gives nodes another type, and every value in both as far as somebody reads it so.

    Args:
        graph: is changed.
        smaller: the type that is not FP32.
    """

    def __init__(self, graph: ir.Graph, smaller: ir.DataType) -> None:
        import onnx_ir as ir

        self._ir, self._graph = ir, graph
        self._full, self._smaller = ir.DataType.FLOAT, smaller
        self._twins: dict[tuple[ir.Value, ir.DataType], ir.Value] = {}

    def lower(self, nodes: list[ir.Node]) -> None:
        """Let `nodes` compute in the smaller type, and all others see the FP32 values that they saw."""
        lowered = set(nodes)
        for node in nodes:
            for value in node.outputs:
                value.type = self._ir.TensorType(self._smaller)
        for node in list(self._graph):
            wanted = self._smaller if node in lowered else self._full
            for place, value in enumerate(node.inputs):
                if value is not None and value.dtype == self._other(wanted):
                    node.replace_input_with(place, self._twin(value, wanted))
        for place, value in enumerate(self._graph.outputs):
            if value.dtype == self._smaller:
                self._graph.outputs[place] = self._public(value)

    def _other(self, dtype: ir.DataType) -> ir.DataType:
        return self._full if dtype == self._smaller else self._smaller

    def _twin(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        if (value, dtype) not in self._twins:
            constant = value.is_initializer()
            self._twins[value, dtype] = self._constant(value) if constant else self._cast(value, dtype)
        return self._twins[value, dtype]

    def _constant(self, value: ir.Value) -> ir.Value:
        """A copy of an initializer, rounded once and here, which makes the file smaller."""
        assert value.const_value is not None, "initializers have a content"
        content = self._ir.tensor(value.const_value.numpy().astype(self._smaller.numpy()))
        made = self._value(f"{value.name}.{self._smaller.name.lower()}", self._smaller, value.shape)
        made.const_value = content
        self._graph.initializers[made.name or ""] = made
        return made

    def _cast(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        made = self._value(f"{value.name}.{dtype.name.lower()}", dtype, value.shape)
        to = self._ir.AttrInt64("to", int(dtype))
        node = self._ir.Node("", "Cast", [value], [to], outputs=[made], name=made.name)
        producer = value.producer()
        if producer is None:
            self._graph.insert_before(self._graph[0], node)
        else:
            self._graph.insert_after(producer, node)
        return made

    def _public(self, value: ir.Value) -> ir.Value:
        # The name belongs to the outside, which is promised FP32.
        name, value.name = value.name, f"{value.name}.{self._smaller.name.lower()}"
        made = self._cast(value, self._full)
        made.name = name
        return made

    def _value(self, name: str, dtype: ir.DataType, shape: ir.Shape | None) -> ir.Value:
        return self._ir.Value(name=name, type=self._ir.TensorType(dtype), shape=shape)
