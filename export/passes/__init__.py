"""Graph rewrites: each keeps every picture and makes the graph faster, or one that a precision can be given to.

A pass is a module of this folder with `apply(model) -> int`, which changes a graph in place and says how often, and a
`SUMMARY` for people. Its place in `PASSES` is its place in the order: what one makes, a later one may rewrite.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from ...errors import UnknownName
from ...extras import require

__all__ = ["ALWAYS", "PASSES", "rewrite", "summary"]

PASSES = ("linear", "folding", "upsample", "subpixel", "noise_outside", "cleanup")
"""Every pass, in the order they are applied."""

ALWAYS = ("linear", "folding", "upsample", "cleanup")
"""Those that no runtime is slower for; the others belong to the precisions and runtimes that need them."""


def rewrite(graph: bytes, names: Iterable[str]) -> tuple[bytes, dict[str, int]]:
    """Apply passes to a graph.

    Args:
        graph: content of an ONNX file.
        names: any of `PASSES`; they are applied in its order.

    Returns:
        The content of the rewritten file, checked, and for each pass that changed something how often.

    Raises:
        UnknownName: there is no such pass.
    """
    wanted = set(names)
    for name in wanted - set(PASSES):
        raise UnknownName("pass", name, PASSES)
    if not wanted:
        return graph, {}
    onnx = require("onnx", "export")
    import onnx_ir as ir
    from onnx_ir.passes import common

    model = ir.from_proto(onnx.load_from_string(graph))
    # New names derive from those of nodes, and not every exporter gives any.
    common.NameFixPass()(model)
    common.ShapeInferencePass()(model)
    changed: dict[str, int] = {}
    for name in PASSES:
        if name in wanted and (count := import_module(f".{name}", __package__).apply(model)):
            changed[name] = count
            # What a rewrite took the place of would be read as a second reader by the next one.
            common.RemoveUnusedNodesPass()(model)
    if not changed:
        return graph, {}
    common.TopologicalSortPass()(model)
    common.NameFixPass()(model)
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    return proto.SerializeToString(deterministic=True), changed


def summary(name: str) -> str:
    """What a pass does, in a few words."""
    return import_module(f".{name}", __package__).SUMMARY
