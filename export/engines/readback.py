"""Read the precision of an engine's layers and compare it with the requested precision.

Both libraries list the layers of a finished engine with the type of every tensor: the inspector of an opened engine as
JSON; the builder, which needs no GPU, in its log, one layer per line. Each layer names the graph nodes that it was
made from, so that every convolution and matrix product of the graph can be found.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from ...errors import ExportError
from ...extras import require
from ..naming import Naming, check_name

__all__ = [
    "NODES",
    "Layer",
    "ReadBack",
    "check_precisions",
    "layers_of_json",
    "layers_of_log",
    "read_back",
]

NODES = re.compile(r"\[ONNX Layer: (.*?)\](?=[^\w ]*(?:\[ONNX Layer: |$))")
"""Matches the names of graph nodes in the metadata of a layer."""

_LINE = re.compile(
    r"Name: (?P<name>.*?), LayerType: (?P<kind>\w+), Inputs: (?P<inputs>.*?), (?:Constants: (?P<constants>.*?), )?"
    r"Outputs: (?P<outputs>\[\]|\[ .*?\}\])"
)
_TENSOR = re.compile(r"Dimensions: \[(?P<extents>[-\d,]*)\].*?(?:Format/)?Datatype: (?P<type>[\w ]+)")
_WORDS = {
    "bf16": r"bf16|bfloat16",
    "fp16": r"fp16|half",
    "fp8": r"fp8",
    "fp4": r"fp4",
    "uint8": r"uint8",
    "int8": r"int8",
    "int4": r"int4",
    "int64": r"int64",
    "int32": r"int32",
    "bool": r"bool",
    "fp32": r"fp32|float",
}
"""Precision -> its names in the libraries; the first match counts."""

_COUNTED = ("fp4", "int4", "fp8", "int8", "fp16", "bf16", "fp32")
"""Precisions of arithmetic, narrowest first; indices and masks have none."""

_QUANTISED = ("int8", "fp8", "int4", "fp4")


@dataclass(frozen=True)
class Layer:
    """One layer of an engine.

    Args:
        name: in the engine.
        kind: in the engine, for example "gemm".
        precision: of its weights; without weights the narrowest of its inputs, else of its outputs; "none" if it
            computes no numbers.
        weights: number of elements of its largest constant of two or more dimensions; 0 without one.
        nodes: graph nodes that it was made from; several nodes are a fusion.
    """

    name: str
    kind: str
    precision: str
    weights: int
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class ReadBack:
    """The layers of an engine and the precision of each product.

    Args:
        source: what listed the layers.
        layers: of the engine, in the order they run.
        products: graph node -> precision of its convolution or matrix product; None if the engine does not say.
    """

    source: Literal["builder", "inspector"]
    layers: tuple[Layer, ...]
    products: dict[str, str | None]

    @property
    def counts(self) -> dict[str, int]:
        """Precision -> number of layers."""
        return dict(sorted(Counter(layer.precision for layer in self.layers).items()))

    def to_json(self) -> str:
        """The layers as JSON: name, kind, precision and nodes of each."""
        rows = [
            {"name": layer.name, "kind": layer.kind, "precision": layer.precision, "nodes": layer.nodes}
            for layer in self.layers
        ]
        return json.dumps({"read_back": self.source, "layers": rows}, indent=1) + "\n"


def read_back(
    source: Literal["builder", "inspector"], layers: Iterable[Layer], products: Mapping[str, str]
) -> ReadBack:
    """Find the graph's products among an engine's layers.

    Args:
        source: what listed the layers.
        layers: of the engine.
        products: graph node -> type of its first operand in the parsed network. A strongly typed network computes in
            it, unless the product is fused with the quantisation before it.
    """
    found = tuple(layers)
    return ReadBack(source, found, {node: _precision(node, kind, found) for node, kind in products.items()})


def check_precisions(read: ReadBack, graph: bytes, asked: str, fp32_layers: Collection[str] = ()) -> Naming:
    """Compare the precision of an engine's products with the requested one, by the rule for graphs.

    The layers and their arithmetic are those of the graph: the engine fuses, splits and renames them.

    Args:
        read: the engine's layers.
        graph: content of the ONNX file that it was built from.
        asked: name of a precision.
        fp32_layers: graph nodes that may be in FP32.
    """
    model = require("onnx", "export").load_from_string(graph)
    return check_name(model, read.products, asked, fp32_layers)


def layers_of_log(text: str) -> tuple[Layer, ...]:
    """The layers of an engine from its builder's log.

    Raises:
        ExportError: `text` lists no layers.
    """
    layers = [_layer_of_line(match) for line in text.splitlines() if (match := _LINE.match(line))]
    return _some(layers)


def layers_of_json(text: str) -> tuple[Layer, ...]:
    """The layers of an engine from its inspector's JSON, with detailed profiling verbosity.

    Raises:
        ExportError: `text` lists no layers.
    """
    try:
        entries = json.loads(text)["Layers"]
        layers = [
            _layer(
                entry["Name"],
                entry["LayerType"],
                [_tensor(tensor) for tensor in entry.get("Inputs", ())],
                [_tensor(tensor) for tensor in (*entry.get("Constants", ()), *_weights(entry))],
                [_tensor(tensor) for tensor in entry.get("Outputs", ())],
                entry.get("Metadata", ""),
            )
            for entry in entries
        ]
    except (ValueError, LookupError, TypeError):
        layers = []
    return _some(layers)


_Tensor = tuple[str, tuple[int, ...]]


def _some(layers: list[Layer]) -> tuple[Layer, ...]:
    if not layers:
        raise ExportError("the engine does not say which layer computes in which precision")
    return tuple(layers)


def _layer_of_line(match: re.Match[str]) -> Layer:
    inputs, constants, outputs = (
        [_typed(found["type"], found["extents"]) for found in _TENSOR.finditer(match[part] or "")]
        for part in ("inputs", "constants", "outputs")
    )
    return _layer(match["name"], match["kind"], inputs, constants, outputs, match.string)


def _layer(
    name: str,
    kind: str,
    inputs: list[_Tensor],
    constants: list[_Tensor],
    outputs: list[_Tensor],
    metadata: str,
) -> Layer:
    # A bias or scale has at most one extent above 1. Constants with more are matrices; the largest is the weights.
    matrices = [tensor for tensor in constants if tensor[0] in _COUNTED and sum(e > 1 for e in tensor[1]) > 1]
    weights = max(matrices, key=lambda tensor: prod(tensor[1]), default=None)
    words = [precision for precision in (_narrowest(inputs), _narrowest(outputs), "none") if precision]
    precision = weights[0] if weights is not None else words[0]
    size = prod(weights[1]) if weights is not None else 0
    return Layer(name, kind, precision, size, tuple(NODES.findall(metadata)))


def _precision(node: str, typed: str, layers: tuple[Layer, ...]) -> str | None:
    makers = [layer for layer in layers if node in layer.nodes]
    if not makers:
        # Small grouped convolutions are split into layers that no longer name their node. If all layers without a node
        # have one precision, so has the convolution.
        lost = {layer.precision for layer in layers if not layer.nodes} - {"none"}
        # If all layers name nodes, the product is part of a fusion: a 1x1 convolution may be, and is then not named.
        fused = not lost and any(
            layer.precision == typed and not layer.weights and len(layer.nodes) > 1 for layer in layers
        )
        plain = not any(layer.precision in _QUANTISED for layer in layers)
        return lost.pop() if len(lost) == 1 else typed if fused and plain else None
    heaviest = max(makers, key=lambda layer: layer.weights)
    if heaviest.weights:
        return heaviest.precision
    quantised = [layer.precision for layer in makers if layer.precision in _QUANTISED]
    return quantised[0] if quantised else typed


def _narrowest(tensors: list[_Tensor]) -> str | None:
    return min((kind for kind, _ in tensors if kind in _COUNTED), key=_COUNTED.index, default=None)


def _tensor(entry: Mapping[str, Any]) -> _Tensor:
    words = entry.get("Datatype") or entry.get("Format/Datatype") or ""
    return _word(words), tuple(entry.get("Dimensions", ()))


def _weights(entry: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    # TensorRT's own kernels list type and number of their weights instead of constants.
    weights = entry.get("Weights") or {}
    count = weights.get("Count", 0)
    return [{"Datatype": weights.get("Type", ""), "Dimensions": (2, count // 2)}] if count > 3 else []


def _typed(words: str, extents: str) -> _Tensor:
    return _word(words), tuple(int(extent) for extent in extents.split(",") if extent)


def _word(words: str) -> str:
    lowered = words.lower()
    return next((kind for kind, pattern in _WORDS.items() if re.search(pattern, lowered)), "none")
