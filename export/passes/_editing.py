"""What graph rewrites share: reading constants and replacing one node by several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..precisions.base import FP32_MODULES

__all__ = ["Editor", "constant", "crop", "integers", "nodes_of", "only_reader"]


def nodes_of(model: ir.Model, *kinds: str) -> list[ir.Node]:
    """The nodes of some operators in the network itself, noise and pixels left out.

    They are listed in order, so that the graph may be changed meanwhile.
    """
    return [
        node
        for node in model.graph
        if node.op_type in kinds
        and node.domain == ""
        and re.split(r"[./]", node.name or "")[0] not in FP32_MODULES
    ]


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """The content of a constant, or None for what is not known before a run."""
    if value is None or value.is_graph_input():
        return None
    known = ir.convenience.get_const_tensor(value)
    return None if known is None else known.numpy()


def only_reader(value: ir.Value) -> bool:
    """Whether a value is read once and nobody outside sees it."""
    return len(value.uses()) == 1 and not value.is_graph_output()


def integers(node: ir.Node, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """An attribute that lists integers."""
    return tuple(node.attributes.get_ints(name, default))


class Editor:
    """Puts nodes in the place of one.

    Args:
        model: that the node is in.
        node: to be replaced; its first output is what others read.
        name: that new names derive from; left out, the node's own.
    """

    def __init__(self, model: ir.Model, node: ir.Node, name: str | None = None) -> None:
        self.node, self._name = node, name or node.name
        self._model, self._graph = model, model.graph
        self._tape = ir.tape.Tape()
        self._made: list[ir.Value] = []

    def constant(self, name: str, content: NDArray[Any]) -> ir.Value:
        """An initializer that holds `content`."""
        name = f"{self._name}.{name}"
        while name in self._graph.initializers:
            name += "_"
        value = self._tape.initializer(ir.tensor(np.ascontiguousarray(content)), name=name)
        self._made.append(value)
        return value

    def op(self, kind: str, inputs: Sequence[ir.Value | None], **attributes: Any) -> ir.Value:
        """The output of a new node."""
        name = f"{self._name}.{kind}{len(self._tape.nodes)}"
        value = self._tape.op(kind, inputs, attributes, name=name)
        value.name = name
        return value

    def finish(self, result: ir.Value, *also: ir.Node) -> None:
        """Let whoever read the node's first output read `result`, and take the node out.

        Args:
            result: output of a new node.
            also: nodes that only the node read, which go with it.
        """
        for value in self._made:
            self._graph.initializers[value.name or ""] = value
        before = self.node.outputs[0]
        result.shape, result.type = before.shape, before.type
        ir.convenience.replace_nodes_and_values(
            self._graph, self.node, [self.node, *also], list(self._tape.nodes), [before], [result]
        )


def crop(edit: Editor, value: ir.Value, cuts: Sequence[tuple[int, int]]) -> ir.Value:
    """Cut pixels off a picture.

    Args:
        edit: that makes the nodes.
        value: (batch, channels, height, width).
        cuts: of height and width, how many before and after.
    """
    if not any(any(cut) for cut in cuts):
        return value
    starts = np.array([before for before, _ in cuts], np.int64)
    ends = np.array([-after or np.iinfo(np.int64).max for _, after in cuts], np.int64)
    names = {"from": starts, "to": ends, "axes": np.array([2, 3], np.int64)}
    return edit.op("Slice", [value, *(edit.constant(name, content) for name, content in names.items())])
