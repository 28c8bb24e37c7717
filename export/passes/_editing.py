"""Helpers of graph passes: read constants, and replace one node by several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..node_names import top_module_of
from ..precisions.base import FP32_MODULES

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["Editor", "constant", "crop", "integers", "makers_of", "nodes_of", "only_reader"]


def nodes_of(model: ir.Model, *kinds: str) -> list[ir.Node]:
    """The network's nodes of the given operators, in graph order; noise and pixels belong to no network.

    It is a list, so that the caller may change the graph while it iterates.
    """
    return [
        node
        for node in model.graph
        if node.op_type in kinds and node.domain == "" and top_module_of(node.name or "") not in FP32_MODULES
    ]


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """The content of a constant; None for a value that is computed."""
    import onnx_ir as ir

    if value is None or value.is_graph_input():
        return None
    known = ir.convenience.get_const_tensor(value)
    return None if known is None else known.numpy()


def makers_of(value: ir.Value | None) -> set[ir.Node]:
    """The nodes that a value is computed by, directly or not."""
    makers: set[ir.Node] = set()
    waiting = [None if value is None else value.producer()]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in makers:
            makers.add(node)
            waiting.extend(value.producer() for value in node.inputs if value is not None)
    return makers


def only_reader(value: ir.Value) -> bool:
    """Whether one node reads the value and it is no output of the graph."""
    return len(value.uses()) == 1 and not value.is_graph_output()


def integers(node: ir.Node, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """An attribute of several integers."""
    return tuple(node.attributes.get_ints(name, default))


class Editor:
    """Replaces one node by several.

    Args:
        model: the model that holds the node.
        node: the node to replace; others read its first output.
        name: prefix of new names; by default the node's name.
    """

    def __init__(self, model: ir.Model, node: ir.Node, name: str | None = None) -> None:
        import onnx_ir as ir

        self._ir = ir
        self.node, self._name = node, name or node.name
        self._model, self._graph = model, model.graph
        self._tape = ir.tape.Tape()
        self._made: list[ir.Value] = []

    def constant(self, name: str, content: NDArray[Any]) -> ir.Value:
        """A new initializer with `content`."""
        name = f"{self._name}.{name}"
        while name in self._graph.initializers:
            name += "_"
        value = self._tape.initializer(self._ir.tensor(np.ascontiguousarray(content)), name=name)
        self._made.append(value)
        return value

    def op(self, kind: str, inputs: Sequence[ir.Value | None], **attributes: Any) -> ir.Value:
        """The output of a new node of operator `kind`."""
        name = f"{self._name}.{kind}{len(self._tape.nodes)}"
        value = self._tape.op(kind, inputs, attributes, name=name)
        value.name = name
        return value

    def finish(self, result: ir.Value, *also: ir.Node) -> None:
        """Replace the node's first output by `result`, and remove the node.

        Args:
            result: output of a new node.
            also: further nodes to remove, whose outputs only the node read.
        """
        for value in self._made:
            self._graph.initializers[value.name or ""] = value
        before = self.node.outputs[0]
        result.shape, result.type = before.shape, before.type
        self._ir.convenience.replace_nodes_and_values(
            self._graph, self.node, [self.node, *also], list(self._tape.nodes), [before], [result]
        )


def crop(edit: Editor, value: ir.Value, cuts: Sequence[tuple[int, int]]) -> ir.Value:
    """Crop a picture.

    Args:
        edit: makes the nodes.
        value: shape (batch, channels, height, width).
        cuts: pixels to remove before and after, for height and for width.
    """
    if not any(any(cut) for cut in cuts):
        return value
    starts = np.array([before for before, _ in cuts], np.int64)
    ends = np.array([-after or np.iinfo(np.int64).max for _, after in cuts], np.int64)
    names = {"from": starts, "to": ends, "axes": np.array([2, 3], np.int64)}
    return edit.op("Slice", [value, *(edit.constant(name, content) for name, content in names.items())])
