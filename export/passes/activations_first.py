"""Move an activation function before the operators that only move its input: it is then fused into the layer there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._editing import Editor, nodes_of, only_reader

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["apply"]

SUMMARY = "activation functions before reshapes, depth-to-space and crops"
ORDER = 65
DEFAULT = False

_FUNCTIONS = ("LeakyRelu", "Relu", "Sigmoid", "Tanh")
_MOVES = frozenset({"DepthToSpace", "Flatten", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})


def apply(model: ir.Model) -> int:
    """Move every function of single values to the start of the moves before it.

    Returns:
        How many were moved.
    """
    return sum(_move(model, node) for node in nodes_of(model, *_FUNCTIONS))


def _move(model: ir.Model, node: ir.Node) -> bool:
    moves: list[ir.Node] = []
    value = node.inputs[0]
    while value is not None and only_reader(value) and (maker := value.producer()) is not None:
        if maker.op_type not in _MOVES or maker.domain:
            break
        moves.insert(0, maker)
        value = maker.inputs[0]
    if not moves or value is None:
        return False
    edit = Editor(model, node)
    result = edit.op(node.op_type, [value], **node.attributes)
    result.shape, result.type = value.shape, value.type
    for move in moves:
        before = move.outputs[0]
        result = edit.op(move.op_type, [result, *move.inputs[1:]], **move.attributes)
        result.shape, result.type = before.shape, before.type
    edit.finish(result, *reversed(moves))
    return True
