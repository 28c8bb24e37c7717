"""Remove dead and duplicate nodes and constants, with the passes of onnx_ir."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["apply"]

SUMMARY = "dead and duplicate nodes and constants removed"
ORDER = 60
DEFAULT = True


def apply(model: ir.Model) -> int:
    """Remove nodes and constants that nothing reads, and merge equal ones.

    Returns:
        How many nodes and constants were removed.
    """
    from onnx_ir.passes import common

    before = _size(model)
    # Where two outputs are the same value, this pass loses the name of one of them.
    if len(model.graph.outputs) == 1:
        common.IdentityEliminationPass()(model)
    for one in (
        # Nodes are equal only after equal constants have been merged.
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.RemoveUnusedNodesPass(),
    ):
        one(model)
    return before - _size(model)


def _size(model: ir.Model) -> int:
    return len(model.graph) + len(model.graph.initializers)
