"""Compute what depends on weights alone, and store it instead: a precision lowers layers whose weights are constant.

Equalised learning rates (StyleGAN2) leave `weight * scale` in a graph, and spectral norm leaves the product of a
matrix with its singular vectors. Each value that the rest of the network reads becomes one constant.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..node_names import top_module_of
from ..precisions.base import FP32_MODULES
from ._editing import constant

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["apply"]

SUMMARY = "what depends on weights alone: computed and stored"
ORDER = 5
DEFAULT = True

_SMALL_BYTES = 1 << 16
"""Larger constants may not take more space than the weights that they are computed from: `Expand` of one number would
make any file of it. Runtimes compute the others when they open the graph."""

_FEW_BYTES = 1 << 12
"""Largest constant that may be stored a second time in another shape."""

_RESHAPES = ("Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
"""Operators that give the same numbers another shape."""

_NEVER = (
    "Bernoulli",
    "DequantizeLinear",
    "Dropout",
    "Multinomial",
    "QuantizeLinear",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
)
"""Operators that draw numbers, and those that make a layer INT8 or FP8."""


def apply(model: ir.Model) -> int:
    """Store every value that is computed from weights alone and read by other nodes.

    Returns:
        How many nodes were computed.
    """
    import onnx_ir as ir

    known = _known(model)
    made = {value for value in known if (node := value.producer()) is not None and node.op_type != "Constant"}
    read = [value for value in made if _is_read(value, made)]
    stored = [value for value in read if not _is_copy(value, known, set(read))]
    for value in sorted(stored, key=lambda value: value.name or ""):
        name = f"{value.name}.stored"
        while name in model.graph.initializers:
            name += "_"
        tensor = ir.tensor(np.ascontiguousarray(known[value].content), name=name)
        new = ir.Value(
            name=name,
            shape=ir.Shape(known[value].content.shape),
            type=ir.TensorType(tensor.dtype),
            const_value=tensor,
        )
        model.graph.initializers[name] = new
        value.replace_all_uses_with(new)
    before = len(model.graph)
    _remove_unused(model)
    return before - len(model.graph) if stored else 0


class _Known:
    """A value that depends on weights alone.

    Args:
        content: of the value.
        sources: the weights that it is computed from, name -> bytes.
    """

    def __init__(self, content: NDArray[Any], sources: dict[str, int]) -> None:
        self.content, self.sources = content, sources


def _known(model: ir.Model) -> dict[ir.Value, _Known]:
    """Every value of the network that depends on weights alone, weights included."""
    import onnx_ir as ir
    from onnx.reference import ReferenceEvaluator

    known: dict[ir.Value, _Known] = {}
    for node in model.graph:
        if not _may_compute(node):
            continue
        inputs = [value for value in node.inputs if value is not None]
        for value in inputs:
            content = None if value in known else constant(value)
            if content is not None:
                known[value] = _Known(content, {value.name or "": content.nbytes})
        if not inputs or not all(value in known for value in inputs):
            continue
        sources = {name: size for value in inputs for name, size in known[value].sources.items()}
        if not _fits(node, sum(sources.values())):
            continue
        feeds = {value.name or "": known[value].content for value in inputs}
        evaluator = ReferenceEvaluator(ir.to_proto(_alone(model, node)))
        for value, content in zip(node.outputs, evaluator.run(None, feeds), strict=True):
            known[value] = _Known(np.asarray(content), sources)
    return known


def _may_compute(node: ir.Node) -> bool:
    inner = any(attribute.type.name in ("GRAPH", "GRAPHS") for attribute in node.attributes.values())
    excluded = node.domain != "" or top_module_of(node.name or "") in FP32_MODULES
    return not inner and not excluded and node.op_type not in _NEVER


def _fits(node: ir.Node, source_bytes: int) -> bool:
    """Whether the outputs of a node are of known size and small enough to be stored."""
    limit = max(source_bytes, _SMALL_BYTES)
    for value in node.outputs:
        if value.shape is None or value.dtype is None:
            return False
        extents = [extent for extent in value.shape if isinstance(extent, int)]
        if len(extents) < len(value.shape) or math.prod(extents) * value.dtype.itemsize > limit:
            return False
    return True


def _alone(model: ir.Model, node: ir.Node) -> ir.Model:
    """A model of one node, whose inputs are the node's."""
    import onnx_ir as ir

    values = {
        value: ir.Value(name=value.name, type=value.type, shape=value.shape)
        for value in node.inputs
        if value is not None
    }
    copy = ir.Node(
        "",
        node.op_type,
        [None if value is None else values[value] for value in node.inputs],
        node.attributes.values(),
        outputs=[ir.Value(name=value.name, type=value.type, shape=value.shape) for value in node.outputs],
        name=node.name,
    )
    graph = ir.Graph(
        list(values.values()),
        list(copy.outputs),
        nodes=[copy],
        opset_imports={"": model.graph.opset_imports[""]},
        name="alone",
    )
    return ir.Model(graph, ir_version=model.ir_version)


def _is_read(value: ir.Value, made: set[ir.Value]) -> bool:
    """Whether a node outside the weights reads a value."""
    return any(not set(use.node.outputs) <= made for use in value.uses()) and not value.is_graph_output()


def _is_copy(value: ir.Value, known: dict[ir.Value, _Known], read: set[ir.Value]) -> bool:
    """Whether a large value has the numbers of another one that has to be stored anyway."""
    node = value.producer()
    if node is None or node.op_type not in _RESHAPES or known[value].content.nbytes <= _FEW_BYTES:
        return False
    before = node.inputs[0]
    assert before is not None, "reshapes have an input"
    return before in read or len(before.uses()) > 1


def _remove_unused(model: ir.Model) -> None:
    from onnx_ir.passes.common import RemoveUnusedNodesPass

    RemoveUnusedNodesPass()(model)
