"""Graphs with one layer lowered, of which a search makes one for each layer: the FP32 graph's file with what differs.

To write such a file from the beginning takes most of its time for what all of them share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ....signature.noise import NOISE
from ...node_names import top_module_of

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = ["OneByOne"]


class OneByOne:
    """Copies of a graph's file, each with the changes to its one model.

    Args:
        proto: the FP32 graph, which holds its weights itself.
    """

    def __init__(self, proto: onnx.ModelProto) -> None:
        import onnx_ir as ir

        self._model = ir.from_proto(proto)
        self._proto = type(proto)()
        self._proto.CopyFrom(proto)
        # Recorded shapes change how ONNX Runtime fuses layers, and the files that a search returns have none. Those of
        # the noise are for the pass that makes it an input.
        noise = {
            value for node in proto.graph.node if top_module_of(node.name) == NOISE for value in node.output
        }
        of_noise = [info for info in proto.graph.value_info if info.name in noise]
        del self._proto.graph.value_info[:]
        self._proto.graph.value_info.extend(of_noise)
        self._numbers = {node: number for number, node in enumerate(self._model.graph)}
        self._inputs = [node.inputs for node in self._numbers]
        self._constants = frozenset(self._model.graph.initializers)

    @contextmanager
    def changed(self) -> Iterator[ir.Model]:
        """The model, to insert nodes and constants in the block, and to replace inputs; then it is as it was."""
        graph = self._model.graph
        try:
            yield self._model
        finally:
            for node, inputs in zip(self._numbers, self._inputs, strict=True):
                for index in self._replaced(node, inputs):
                    node.replace_input_with(index, inputs[index])
            for node in [node for node in reversed(graph) if node not in self._numbers]:
                graph.remove(node, safe=True)
            for name in set(graph.initializers) - self._constants:
                del graph.initializers[name]

    def content(self, element: str) -> bytes:
        """Content of the file of the model as it is now, not checked.

        Args:
            element: what its layers compute in; runners read it from the file without parsing the graph.
        """
        import onnx_ir as ir

        made = type(self._proto)()
        made.CopyFrom(self._proto)
        before, nodes = list(made.graph.node), []
        for node in self._model.graph:
            number = self._numbers.get(node)
            if number is None:
                nodes.append(ir.to_proto(node))
                continue
            for index in self._replaced(node, self._inputs[number]):
                value = node.inputs[index]
                before[number].input[index] = "" if value is None else value.name or ""
            nodes.append(before[number])
        del made.graph.node[:]
        made.graph.node.extend(nodes)
        for name, value in self._model.graph.initializers.items():
            if name not in self._constants and value.const_value is not None:
                made.graph.initializer.append(ir.to_proto(value.const_value))
        made.metadata_props.add(key="litho.element", value=element)
        return made.SerializeToString(deterministic=True)

    @staticmethod
    def _replaced(node: ir.Node, inputs: Sequence[ir.Value | None]) -> list[int]:
        """Numbers of the inputs of a node that are no longer those that it had."""
        return [index for index, value in enumerate(node.inputs) if value is not inputs[index]]
