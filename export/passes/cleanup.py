"""Dead and duplicate nodes and constants -> out, by the passes of onnx_ir."""

from __future__ import annotations

import onnx_ir as ir

__all__ = ["apply"]

SUMMARY = "dead and duplicate nodes and constants removed"
ORDER = 60
ALWAYS = True


def apply(model: ir.Model) -> int:
    """Remove what nothing reads and what is there twice.

    Returns:
        How many nodes and constants fewer there are.
    """
    from onnx_ir.passes import common

    before = _size(model)
    # It loses the name of one of two outputs that are the same value.
    if len(model.graph.outputs) == 1:
        common.IdentityEliminationPass()(model)
    for one in (
        # Two nodes are the same only once their constants are.
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.RemoveUnusedNodesPass(),
    ):
        one(model)
    return before - _size(model)


def _size(model: ir.Model) -> int:
    return len(model.graph) + len(model.graph.initializers)
