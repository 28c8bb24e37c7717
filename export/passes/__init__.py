"""Graph passes: each keeps every picture and makes the graph faster, or one that a precision or runtime can take.

A pass is one module of this folder with

    apply     (onnx_ir.Model) -> int, changes a graph in place and returns how often
    SUMMARY   what it does, in a few words
    ORDER     its place among the passes: what one makes, a later one may change
    ALWAYS    whether it is applied to every graph, because no runtime is slower for it; the others belong to the
              precisions and runtimes that need them

and imports onnx_ir only where it is applied, so that the rest can be read without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from ...errors import UnknownName
from ...extras import require
from ...plugins import load_plugins

__all__ = ["apply_passes", "default_passes", "pass_names", "summary"]


def pass_names() -> tuple[str, ...]:
    """Names of all passes, in the order in which they are applied."""
    return tuple(_passes())


def default_passes() -> tuple[str, ...]:
    """Names of the passes that are applied to every graph, in order."""
    return tuple(name for name, module in _passes().items() if module.ALWAYS)


def apply_passes(graph: bytes, names: Iterable[str]) -> tuple[bytes, dict[str, int]]:
    """Apply passes to a graph.

    Args:
        graph: content of an ONNX file.
        names: any of `pass_names`; they are applied in that order.

    Returns:
        The content of the changed file, checked; pass -> number of changes, of the passes that changed something.

    Raises:
        UnknownName: there is no such pass.
    """
    passes, wanted = _passes(), set(names)
    for name in wanted - set(passes):
        raise UnknownName("pass", name, passes)
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
    for name, module in passes.items():
        if name in wanted and (count := module.apply(model)):
            changed[name] = count
            # The next pass would take a replaced node for a second reader of its inputs.
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
    return _passes()[name].SUMMARY


def _passes() -> dict[str, ModuleType]:
    modules = load_plugins(__name__)
    return dict(sorted(modules.items(), key=lambda named: (named[1].ORDER, named[0])))
