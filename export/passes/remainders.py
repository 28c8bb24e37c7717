"""Compute the noise's remainders by a division, a product and a difference, which TensorRT builds four times as fast.

Its own remainder rounds towards minus infinity, and each becomes code of its own for a build to optimise. Whatever is
divided in the noise is not negative, as seeds are not, so that a division that cuts off gives the same integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...signature.noise import NOISE
from ._editing import Editor, makers_of

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["apply"]

SUMMARY = "remainders of the noise by division"
ORDER = 55
DEFAULT = False


def apply(model: ir.Model) -> int:
    """Replace the integer remainders that the value called `NOISE` is computed from.

    Returns:
        How many were replaced.
    """
    made = next((value for node in model.graph for value in node.outputs if value.name == NOISE), None)
    makers = makers_of(made)
    remainders = [node for node in model.graph if node in makers and _is_of_integers(node)]
    for node in remainders:
        value, divisor = node.inputs
        edit = Editor(model, node)
        whole = edit.op("Mul", [edit.op("Div", [value, divisor]), divisor])
        edit.finish(edit.op("Sub", [value, whole]))
    return len(remainders)


def _is_of_integers(node: ir.Node) -> bool:
    dtype = node.outputs[0].dtype
    return node.op_type == "Mod" and node.domain == "" and dtype is not None and dtype.is_integer()
