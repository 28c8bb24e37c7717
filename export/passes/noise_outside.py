"""Make the seed's noise an input of the graph, for runtimes without 64-bit integers; the runner draws the noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...signature.noise import NOISE

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["apply"]

SUMMARY = "noise taken as an input"
ORDER = 50
DEFAULT = False


def apply(model: ir.Model) -> int:
    """Make the value called `NOISE` an input, and remove the nodes and inputs that only it was computed from.

    Returns:
        1, or 0 for a graph without noise.
    """
    import onnx_ir as ir
    from onnx_ir.passes.common import RemoveUnusedNodesPass

    graph = model.graph
    made = next((value for node in graph for value in node.outputs if value.name == NOISE), None)
    if made is None:
        return 0
    made.name = f"{NOISE}.made"
    given = ir.Value(name=NOISE, type=made.type, shape=made.shape)
    graph.inputs.append(given)
    ir.convenience.replace_all_uses_with(made, given)
    RemoveUnusedNodesPass()(model)
    for value in [value for value in graph.inputs if not value.uses()]:
        graph.inputs.remove(value)
    return 1
