"""litho's own quantizer: inputs of layers only, ranges of least squared error, biases corrected where that helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....bundle.external_graph import ExternalGraph
from ....extras import require
from ..base import Lowering, finished, layers
from ._bias import corrected_biases
from ._one_by_one import OneByOne
from ._placement import Quantized, channel_axis, initializer, insert, sites, weight_of
from ._ranges import Activations, observe, rounded, scale_of, values_of, weight_scales
from ._switched import Plan, switched as with_switch

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = ["quantize", "switched"]

SUMMARY = "inputs of layers, ranges of least squared error, corrected biases"

_COMPARED = 4
"""Batches on which the graphs with and without corrected biases are compared."""


@dataclass(frozen=True)
class _Measured:
    """What no choice of FP32 layers changes.

    Args:
        ranges: of the values that may be quantized.
        weights: name of each layer -> its quantized weights.
        biases: name of a layer -> its corrected bias.
        wanted: outputs of the FP32 graph on the batches that are compared.
        outputs: whether the outputs of convolutions are among the ranges.
    """

    ranges: Mapping[str, Activations]
    weights: Mapping[str, Quantized]
    biases: Mapping[str, NDArray[np.float32]]
    wanted: Sequence[NDArray[Any]]
    outputs: bool


def quantize(lowering: Lowering, element: str) -> bytes:
    """Quantize weights per channel and activations per tensor, both symmetric around 0; see `quantize`."""
    proto, measured = lowering.seen["proto"], _measured(lowering, element)
    biases = {name: bias for name, bias in measured.biases.items() if name not in lowering.fp32_layers}
    # A graph with one layer lowered serves to compare layers, and there may be hundreds of them. None is kept, so that
    # none is checked: a runtime refuses one that is wrong.
    if len(measured.weights) - 1 == len(lowering.fp32_layers) > 0:
        return _alone(proto, lowering, element)
    made = _made(proto, lowering, element, {})
    if not biases:
        return made
    other = _made(proto, lowering, element, biases)
    wanted = measured.wanted
    return other if _error(other, lowering, wanted) < _error(made, lowering, wanted) else made


def switched(lowering: Lowering, element: str) -> bytes:
    """The graph in which an input chooses the layer that is lowered; see `Precision.switched`."""
    import onnx_ir as ir

    proto, measured = lowering.seen["proto"], _measured(lowering, element)
    model = ir.from_proto(proto)
    plans: dict[str, Plan] = {}
    for name in layers(proto):
        found = sites(model, frozenset([name]), outputs=_outputs(lowering, element))
        hows = {site.layers: how for site, _, how in _activations(found, measured.ranges, lowering, element)}
        relu = any(
            (site.value.producer() or model.graph[0]).op_type == "Relu" for site in found if not site.layers
        )
        plans[name] = Plan(hows[(name,)], measured.weights[name], hows.get(()), relu)
    return with_switch(proto, plans, element)


def _measured(lowering: Lowering, element: str) -> _Measured:
    """What is measured of the graph; runtimes with the same graph share it."""
    import onnx_ir as ir

    proto, kind = lowering.seen["proto"], (element, lowering.integers.unsigned)
    outputs, known = _outputs(lowering, element), lowering.seen.get(kind)
    if known is not None and (known.outputs or not outputs):
        return known
    model, names = ir.from_proto(proto), frozenset(layers(proto))
    found = sites(model, names, outputs=outputs)
    ranges = observe(proto, [site.value.name or "" for site in found], lowering.calibration)
    nodes = {node.name or "": node for node in model.graph if node.name in names}
    weights = {name: _weights(node, element) for name, node in nodes.items()}
    scales = {name: how for site, name, how in _activations(found, ranges, lowering, element)}
    inputs = {layer: scales[site.value.name or ""] for site in found for layer in site.layers}
    biases = corrected_biases(proto, nodes, inputs, weights, lowering.calibration)
    (output,) = (value.name for value in proto.graph.output)
    compared = lowering.calibration[:_COMPARED]
    wanted = [values[output] for values in values_of(proto, [output], compared)]
    lowering.seen[kind] = _Measured(ranges, weights, biases, wanted, outputs)
    return lowering.seen[kind]


def _outputs(lowering: Lowering, element: str) -> bool:
    return lowering.integers.between and element == "INT8"


def _activations(found, ranges: Mapping[str, Activations], lowering: Lowering, element: str):
    for site in found:
        unsigned = lowering.integers.unsigned and not site.negative and element == "INT8"
        kind, name = "UINT8" if unsigned else element, site.value.name or ""
        yield site, name, Quantized(scale_of(ranges[name], kind), kind)


def _made(
    proto: onnx.ModelProto,
    lowering: Lowering,
    element: str,
    biases: Mapping[str, NDArray[np.float32]],
    *,
    check: bool = True,
) -> bytes:
    import onnx_ir as ir

    model = ir.from_proto(proto)
    for node in [node for node in model.graph if node.name in biases]:
        _replace_bias(model, node, biases[node.name or ""])
    _insert(model, lowering, element)
    # Runners read it from the file without parsing the graph.
    model.metadata_props["litho.element"] = element
    return finished(model, lowering.graph, check=check)


def _alone(proto: onnx.ModelProto, lowering: Lowering, element: str) -> bytes:
    """The graph with one layer lowered, not checked; `proto` is the graph in FP32."""
    if isinstance(lowering.graph, ExternalGraph):
        return _made(proto, lowering, element, {}, check=False)
    if "one by one" not in lowering.seen:
        lowering.seen["one by one"] = OneByOne(proto)
    copies: OneByOne = lowering.seen["one by one"]
    with copies.changed() as model:
        _insert(model, lowering, element)
        return copies.content(element)


def _insert(model: ir.Model, lowering: Lowering, element: str) -> None:
    """Insert quantize and dequantize nodes for the layers that are lowered."""
    between, measured = _outputs(lowering, element), _measured(lowering, element)
    names = frozenset(measured.weights) - lowering.fp32_layers
    found = sites(model, names, outputs=between)
    activations = {name: how for _, name, how in _activations(found, measured.ranges, lowering, element)}
    weights = {name: measured.weights[name] for name in names}
    insert(model, found, activations, weights, between=between)


def _weights(node: ir.Node, element: str) -> Quantized:
    weight, axis = weight_of(node), channel_axis(node)
    scale = weight_scales(weight, axis, element)
    along = [1] * weight.ndim
    along[axis] = -1
    return Quantized(scale, element, rounded(weight, scale.reshape(along), element), axis)


def _replace_bias(model: ir.Model, node: ir.Node, bias: NDArray[np.float32]) -> None:
    if len(node.inputs) < 3:
        node.resize_inputs(3)
    node.replace_input_with(2, initializer(model, f"{node.name}.corrected_bias", bias))


def _error(graph: bytes, lowering: Lowering, wanted: Sequence[NDArray[Any]]) -> float:
    """Mean squared error of the graph's outputs on the first calibration batches."""
    proto = require("onnx", "export").load_from_string(graph)
    (output,) = (value.name for value in proto.graph.output)
    made = values_of(proto, [output], lowering.calibration[:_COMPARED])
    errors = [
        np.square(values[output].astype(np.float64) - exact).mean()
        for values, exact in zip(made, wanted, strict=True)
    ]
    return float(np.mean(errors))
