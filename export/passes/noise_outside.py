"""Make the seed's noise an input of the graph, for runtimes without 64-bit integers; the runner draws the noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ExportError
from ...signature.noise import NOISE
from ._editing import makers_of

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

    Raises:
        ExportError: the network reads the seed besides the noise.
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
    _take_batch_from(given, made)
    RemoveUnusedNodesPass()(model)
    for value in [value for value in graph.inputs if not value.uses()]:
        graph.inputs.remove(value)
    return 1


def _take_batch_from(given: ir.Value, made: ir.Value) -> None:
    """Let nodes read the number of pictures from `given` that read it from the seed, or from what became `made`."""
    import onnx_ir as ir

    makers, values = _before(made)
    for value in values:
        for reader, index in [(use.node, use.idx) for use in value.uses()]:
            if _reads_batch(reader, value):
                reader.replace_input_with(index, given)
                reader.attributes["end"] = ir.AttrInt64("end", 1)
            elif reader not in makers:
                raise ExportError(
                    f"node {reader.name!r} reads {value.name!r}, which only the noise may read: runtimes without"
                    " 64-bit integers get the noise as an input"
                )


def _before(made: ir.Value) -> tuple[set[ir.Node], list[ir.Value]]:
    """The nodes that compute `made`, and the values among theirs that depend on an input of the graph."""
    makers = makers_of(made)
    values: dict[ir.Value, None] = {}
    for node in (node for node in made.graph or () if node in makers):
        read = [
            value
            for value in node.inputs
            if value is not None and (value.is_graph_input() or value in values)
        ]
        values |= dict.fromkeys(read)
        if any(not _reads_batch(node, value) for value in read):
            values |= dict.fromkeys(output for output in node.outputs if output is not made)
    return makers, list(values)


def _reads_batch(node: ir.Node, value: ir.Value) -> bool:
    """Whether a node reads only the first extent of a value."""
    if node.op_type != "Shape" or node.attributes.get_int("start", 0) != 0:
        return False
    rank = None if value.shape is None else len(value.shape)
    return node.attributes.get_int("end", rank or -1) == 1
