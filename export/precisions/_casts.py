"""Lower the network's nodes to a smaller floating-point type, with casts at the borders.

ONNX Runtime's converter is not used: it rounds to FP16 and back between nodes that stay in FP32, which destroys the
noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...extras import require
from ..external_data import opened
from .base import FP32_OPERATORS, MOVES, Lowering, finished, fp32_nodes

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["lower_floats"]

_NEVER = frozenset({"Cast", "Clip", "Constant", "Dropout", "Range", "Resize", "Shape"})
"""Operators that need FP32 for values other than the picture, or that some runtime lacks in smaller types."""


def lower_floats(lowering: Lowering, element: str, opset: int) -> bytes:
    """Let every node that may compute in a smaller type.

    Args:
        lowering: the graph in FP32, and the layers that stay in FP32.
        element: ONNX's name of the type, "FLOAT16" or "BFLOAT16".
        opset: first opset whose operators take this type.

    Returns:
        Content of an ONNX file, checked; types of inputs and outputs do not change.
    """
    onnx = require("onnx", "export")
    import onnx_ir as ir

    proto = onnx.load_from_string(lowering.graph)
    stay = set(fp32_nodes(proto, lowering.fp32_layers))
    model = opened(lowering.graph, onnx.shape_inference.infer_shapes(proto, strict_mode=True))
    smaller = ir.DataType[element]
    stay |= _out_of_range(model.graph, smaller)
    lowered = [node for node in model.graph if node.name not in stay and _computes_floats(node)]
    _Types(model.graph, smaller).lower(lowered)
    model.graph.opset_imports[""] = max(opset, model.graph.opset_imports[""])
    return finished(model, lowering.graph)


def _computes_floats(node: ir.Node) -> bool:
    """Whether all values of a node are FP32, or integers such as shapes."""
    import onnx_ir as ir

    types = {value.dtype for value in (*node.inputs, *node.outputs) if value is not None}
    floats = all(value.dtype == ir.DataType.FLOAT for value in node.outputs)
    return (
        floats
        and types <= {ir.DataType.FLOAT, ir.DataType.INT64}
        and node.op_type not in _NEVER
        and node.domain == ""
    )


def _out_of_range(graph: ir.Graph, smaller: ir.DataType) -> set[str]:
    """Names of the nodes with a number that the type rounds to 0 or infinity, and of quotients that divide by it.

    Such a number may be all that a quotient divides by: 1e-15 in linear attention where nothing is attended to.
    """
    found: set[str] = set()
    reached: set[ir.Value] = set()
    for node in graph:
        divides = node.op_type == "Div" and node.inputs[1] in reached
        carries = node.op_type in (*MOVES, *FP32_OPERATORS) and bool(reached & set(node.inputs))
        begins = any(_is_out_of_range(value, smaller) for value in node.inputs if value is not None)
        if divides or carries or begins:
            found.add(node.name or "")
        if carries or begins:
            reached |= set(node.outputs)
    return found


def _is_out_of_range(value: ir.Value, smaller: ir.DataType) -> bool:
    import numpy as np

    if value.const_value is None or value.const_value.dtype.name != "FLOAT":
        return False
    exact = value.const_value.numpy()
    with np.errstate(over="ignore", under="ignore"):
        rounded = exact.astype(smaller.numpy()).astype(np.float32)
    # A weight among many may vanish.
    vanishes = exact.size == 1 and bool(((rounded == 0) & (exact != 0)).any())
    return vanishes or bool((np.isinf(rounded) & np.isfinite(exact)).any())


class _Types:
    """Changes the type of nodes, and casts each value that is read in both types.

    Args:
        graph: changed in place.
        smaller: the type that is not FP32.
    """

    def __init__(self, graph: ir.Graph, smaller: ir.DataType) -> None:
        import onnx_ir as ir

        self._ir, self._graph = ir, graph
        self._full, self._smaller = ir.DataType.FLOAT, smaller
        self._twins: dict[tuple[ir.Value, ir.DataType], ir.Value] = {}

    def lower(self, nodes: list[ir.Node]) -> None:
        """Let `nodes` compute in the smaller type; all other nodes still read FP32."""
        lowered = set(nodes)
        for node in nodes:
            for value in node.outputs:
                value.type = self._ir.TensorType(self._smaller)
        for node in list(self._graph):
            wanted = self._smaller if node in lowered else self._full
            for index, value in enumerate(node.inputs):
                if value is not None and value.dtype == self._other(wanted):
                    node.replace_input_with(index, self._twin(value, wanted))
        for index, value in enumerate(self._graph.outputs):
            if value.dtype == self._smaller:
                self._graph.outputs[index] = self._public(value)

    def _other(self, dtype: ir.DataType) -> ir.DataType:
        return self._full if dtype == self._smaller else self._smaller

    def _twin(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        if (value, dtype) not in self._twins:
            constant = value.is_initializer()
            self._twins[value, dtype] = self._constant(value) if constant else self._cast(value, dtype)
        return self._twins[value, dtype]

    def _constant(self, value: ir.Value) -> ir.Value:
        """A rounded copy of an initializer, instead of a cast: it makes the file smaller."""
        assert value.const_value is not None, "initializers have content"
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
        # The output keeps its name and is FP32.
        name, value.name = value.name, f"{value.name}.{self._smaller.name.lower()}"
        made = self._cast(value, self._full)
        made.name = name
        return made

    def _value(self, name: str, dtype: ir.DataType, shape: ir.Shape | None) -> ir.Value:
        return self._ir.Value(name=name, type=self._ir.TensorType(dtype), shape=shape)
