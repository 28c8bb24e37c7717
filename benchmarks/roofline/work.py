"""The work of a graph for its pictures: operations of each precision, and bytes that must move at least.

Both are counted from the ONNX graph that a runtime is given, and from nothing else: `export.arithmetic` counts the
multiply-adds, and the types of operands and stored weights give the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from ...bundle import Bundle
from ...bundle.json_documents import Document
from ...export.arithmetic import multiply_adds, value_types
from ...export.naming import precisions_of
from ...export.precisions.base import MOVES
from ...extras import require
from ...signature.fields import Role

if TYPE_CHECKING:
    import onnx

__all__ = ["OPERATIONS", "Work", "calls_of", "work_of"]

OPERATIONS = 2
"""Operations of a multiply-add."""

_CONVERSIONS = MOVES | {"Cast", "DequantizeLinear", "QuantizeLinear"}
"""Operators between stored weights and the layer that reads them."""

_FUSED = MOVES | {"Cast", "Clip", "Dropout", "LeakyRelu", "Relu", "Sigmoid", "Tanh"}
"""Operators on one value that a runtime can join to the layer before them."""


class Work(Document):
    """What a graph computes and moves.

    Bytes are the least that can be: every layer reads its weights and its input once and writes its output once, and
    what lies between two layers costs nothing. Layers are nodes that multiply; embeddings, normalisations, noise and
    pixels are not counted.

    Args:
        operations: precision -> operations for one picture, two for each multiply-add; "fp32" for layers whose
            precision is unknown.
        weight_bytes: of the weights as they are stored, once for a batch.
        activation_bytes: that all layers read and write for one picture, weights aside.
        largest_bytes: that the layer with the most of them reads and writes for one picture.
    """

    operations: dict[str, float]
    weight_bytes: float
    activation_bytes: float
    largest_bytes: float

    @property
    def all_operations(self) -> float:
        """Operations of one picture, in all precisions."""
        return sum(self.operations.values())

    def bytes(self, batch: int) -> float:
        """That a batch moves at least."""
        return self.weight_bytes + batch * self.activation_bytes

    def working_set(self, batch: int) -> float:
        """Bytes in use together at least: the weights, and the input and output of one layer."""
        return self.weight_bytes + batch * self.largest_bytes

    def intensity(self, batch: int) -> float:
        """Operations for each byte that a batch moves; 0 without bytes."""
        moved = self.bytes(batch)
        return batch * self.all_operations / moved if moved else 0.0


@dataclass(frozen=True)
class _Graph:
    """A graph, indexed.

    Args:
        types: value -> its type, with its shape for one picture.
        stored: initializer -> its bytes.
        makers: value -> the node that makes it.
        readers: value -> the nodes that read it.
    """

    types: Mapping[str, onnx.TypeProto.Tensor]
    stored: Mapping[str, float]
    makers: Mapping[str, onnx.NodeProto]
    readers: Mapping[str, list[onnx.NodeProto]]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> _Graph:
        readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for value in node.input:
                readers.setdefault(value, []).append(node)
        return cls(
            types=value_types(model),
            stored={
                tensor.name: prod(tensor.dims) * _element_bytes(tensor.data_type)
                for tensor in model.graph.initializer
            },
            makers={output: node for node in model.graph.node for output in node.output},
            readers=readers,
        )

    def weights(self, value: str) -> str | None:
        """The initializer that a value was made from by nothing but conversions."""
        while value not in self.stored:
            maker = self.makers.get(value)
            if maker is None or maker.op_type not in _CONVERSIONS:
                return None
            value = maker.input[0]
        return value

    def elements(self, value: str) -> int:
        """Number of elements of a value for one picture; 0 if its shape is unknown."""
        tensor = self.types.get(value)
        if tensor is None or not tensor.HasField("shape"):
            return 0
        return prod(extent.dim_value for extent in tensor.shape.dim)

    def read_bytes(self, value: str) -> float:
        """Size of an activation as a layer reads it: quantized, if it is dequantized for the layer."""
        maker = self.makers.get(value)
        while maker is not None and maker.op_type in MOVES:
            maker = self.makers.get(maker.input[0])
        packed = maker.input[0] if maker is not None and maker.op_type == "DequantizeLinear" else value
        return self.elements(value) * self._element(packed)

    def written_bytes(self, value: str) -> float:
        """Size of an activation as it is kept: quantized or cast, if nothing else reads it."""
        elements, packed = self.elements(value), value
        while len(readers := self.readers.get(value, [])) == 1:
            node = readers[0]
            if node.op_type not in _FUSED and node.op_type != "QuantizeLinear":
                break
            value = node.output[0]
            if node.op_type in ("Cast", "QuantizeLinear"):
                packed = value
        return elements * self._element(packed)

    def _element(self, value: str) -> float:
        tensor = self.types.get(value)
        return _element_bytes(tensor.elem_type) if tensor is not None else 0.0


def work_of(graph: bytes | onnx.ModelProto, *, lowered_to: str = "") -> Work:
    """Count the operations and bytes of a graph; where height and width are free, at the usual size.

    Args:
        graph: the content of an ONNX file, or the model.
        lowered_to: the precision that the runtime computes FP32 layers in, if that was asked for.

    Raises:
        ExportError: the shape of a layer cannot be inferred.
    """
    onnx = require("onnx", "export")
    model: onnx.ModelProto = onnx.load_from_string(graph) if isinstance(graph, bytes) else graph
    counts, precisions, indexed = multiply_adds(model), precisions_of(model), _Graph.of(model)
    operations: dict[str, float] = {}
    stored: dict[str, float] = {}
    activations: list[float] = []
    for node in model.graph.node:
        if node.name not in counts:
            continue
        moved = indexed.written_bytes(node.output[0])
        for value in node.input:
            weights = indexed.weights(value)
            if weights is None:
                moved += indexed.read_bytes(value)
            else:
                stored[weights] = indexed.stored[weights]
        activations.append(moved)
    for name, count in counts.items():
        known = precisions.get(name) or "fp32"
        known = lowered_to if known == "fp32" and lowered_to else known
        operations[known] = operations.get(known, 0.0) + OPERATIONS * count
    return Work(
        operations=operations,
        weight_bytes=sum(stored.values()),
        activation_bytes=sum(activations),
        largest_bytes=max(activations, default=0.0),
    )


def calls_of(bundle: Bundle) -> dict[str, int]:
    """Stage -> its calls for one picture, with the sampler's default steps."""
    steps = bundle.manifest.signature.field(Role.STEPS)
    count = int(steps.default or 1) if steps is not None else 1
    return {stage.name: count if stage.name == "denoiser" else 1 for stage in bundle.manifest.stages}


def _element_bytes(element: int) -> float:
    """Bytes of one element of an ONNX type."""
    helper = require("onnx", "export").helper
    return float(helper.tensor_dtype_to_np_dtype(element).itemsize)
