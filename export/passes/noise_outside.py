"""The seed's noise -> an input of the graph, for runtimes without 64-bit integers; whoever runs it makes the noise."""

from __future__ import annotations

import onnx_ir as ir

from ...signature.noise import NOISE

__all__ = ["apply"]

SUMMARY = "noise taken as an input"
ORDER = 50
ALWAYS = False


def apply(model: ir.Model) -> int:
    """Let the graph take the value called `NOISE`, and no longer what only that was made from.

    Returns:
        1, or 0 for a graph without noise.
    """
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
