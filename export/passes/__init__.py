"""Graph passes: each makes a graph faster, or fit for a precision or a runtime, and keeps every picture.

A pass is one module of this folder with

    apply     (onnx_ir.Model) -> int: changes the graph in place and returns the number of changes
    SUMMARY   what it does, in a few words, for the report
    ORDER     its place among the passes: a pass may change what an earlier one made
    DEFAULT   True if it is applied to every graph because it slows down no runtime; the other passes are named by the
              precisions and runners that need them

It imports onnx_ir only inside functions: reports list passes where onnx_ir is not installed.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from ...errors import UnknownName
from ...extras import require
from ...plugins import load_plugin, load_plugins
from ..external_data import content_of, opened

__all__ = ["apply_passes", "default_passes", "pass_names", "summary"]


def pass_names() -> tuple[str, ...]:
    """Names of all passes, in the order in which they are applied."""
    return tuple(_passes())


def default_passes() -> tuple[str, ...]:
    """Names of the passes that are applied to every graph, in order."""
    return tuple(name for name, module in _passes().items() if module.DEFAULT)


def apply_passes(graph: bytes, names: Iterable[str], *, draft: bool = False) -> tuple[bytes, dict[str, int]]:
    """Apply passes to a graph.

    Args:
        graph: content of an ONNX file.
        names: any of `pass_names`; they are applied in that order.
        draft: the graph records the shapes of its values, and what is made of it is run once and not kept: shapes are
            not inferred, and the result is not checked.

    Returns:
        The content of the changed file, checked if it is no draft; pass -> number of changes, of the passes that
        changed something.

    Raises:
        UnknownName: there is no such pass.
    """
    passes, wanted = _passes(), set(names)
    for name in wanted - set(passes):
        raise UnknownName("pass", name, passes)
    if not wanted:
        return graph, {}
    require("onnx", "export")
    from onnx_ir.passes import common

    model = opened(graph)
    # Passes derive new names from those of nodes, and not every exporter names nodes.
    common.NameFixPass()(model)
    if not draft:
        common.ShapeInferencePass()(model)
    changed: dict[str, int] = {}
    for name, module in passes.items():
        if name in wanted and (count := module.apply(model)):
            changed[name] = count
            # The next pass would count a replaced node as a reader of its inputs.
            common.RemoveUnusedNodesPass()(model)
    if not changed:
        return graph, {}
    common.TopologicalSortPass()(model)
    common.NameFixPass()(model)
    return content_of(model, graph, check=not draft), changed


def summary(name: str) -> str:
    """What a pass does, in a few words.

    Raises:
        UnknownName: there is no such pass.
    """
    return load_plugin(__name__, name, "pass").SUMMARY


def _passes() -> dict[str, ModuleType]:
    modules = load_plugins(__name__)
    return dict(sorted(modules.items(), key=lambda named: (named[1].ORDER, named[0])))
