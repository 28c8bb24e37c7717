"""litho's own quantizer: inputs of layers only, ranges of least squared error, biases corrected where that helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

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
    from numpy.typing import NDArray

__all__ = ["quantize", "switched"]

SUMMARY = "inputs of layers, ranges of least squared error, corrected biases"

_COMPARED = 4
"""Batches on which the graphs with and without corrected biases are compared."""


def quantize(lowering: Lowering, element: str) -> bytes:
    """Quantize weights per channel and activations per tensor, both symmetric around 0; see `quantize`."""
    seen = lowering.seen
    proto = seen["proto"]
    _measure(lowering, element)
    biases = {name: bias for name, bias in seen["biases"].items() if name not in lowering.fp32_layers}
    # A graph with one layer lowered serves to compare layers, and there may be hundreds of them. None is kept, so that
    # none is checked: a runtime refuses one that is wrong.
    if len(seen["weights"]) - 1 == len(lowering.fp32_layers) > 0:
        return _alone(proto, lowering, element)
    made = _made(proto, lowering, element, {})
    if not biases:
        return made
    other = _made(proto, lowering, element, biases)
    return other if _error(other, lowering) < _error(made, lowering) else made


def switched(lowering: Lowering, element: str) -> bytes:
    """The graph in which an input chooses the layer that is lowered; see `Precision.switched`."""
    import onnx_ir as ir

    _measure(lowering, element)
    proto, seen = lowering.seen["proto"], lowering.seen
    model = ir.from_proto(proto)
    plans: dict[str, Plan] = {}
    for name in layers(proto):
        found = sites(model, frozenset([name]), outputs=_outputs(lowering, element))
        hows = {site.layers: how for site, _, how in _activations(found, seen["ranges"], lowering, element)}
        relu = any(
            (site.value.producer() or model.graph[0]).op_type == "Relu" for site in found if not site.layers
        )
        plans[name] = Plan(hows[(name,)], seen["weights"][name], hows.get(()), relu)
    return with_switch(proto, plans, element)


def _measure(lowering: Lowering, element: str) -> None:
    if "weights" not in lowering.seen:
        lowering.seen.update(_measured(lowering.seen["proto"], lowering, element))


def _measured(proto: onnx.ModelProto, lowering: Lowering, element: str) -> dict[str, object]:
    """What no choice of FP32 layers changes: quantized weights, ranges of all values, corrected biases."""
    import onnx_ir as ir

    model, names = ir.from_proto(proto), frozenset(layers(proto))
    found = sites(model, names, outputs=_outputs(lowering, element))
    activations = observe(proto, [site.value.name or "" for site in found], lowering.calibration)
    nodes = {node.name or "": node for node in model.graph if node.name in names}
    weights = {name: _weights(node, element) for name, node in nodes.items()}
    scales = {name: how for site, name, how in _activations(found, activations, lowering, element)}
    inputs = {layer: scales[site.value.name or ""] for site in found for layer in site.layers}
    biases = corrected_biases(proto, nodes, inputs, weights, lowering.calibration)
    (output,) = (value.name for value in proto.graph.output)
    compared = lowering.calibration[:_COMPARED]
    wanted = [values[output] for values in values_of(proto, [output], compared)]
    return {"ranges": activations, "weights": weights, "biases": biases, "wanted": wanted}


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
    between = _outputs(lowering, element)
    names = frozenset(lowering.seen["weights"]) - lowering.fp32_layers
    found = sites(model, names, outputs=between)
    activations = {
        name: how for _, name, how in _activations(found, lowering.seen["ranges"], lowering, element)
    }
    weights = {name: lowering.seen["weights"][name] for name in names}
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


def _error(graph: bytes, lowering: Lowering) -> float:
    """Mean squared error of the graph's outputs on the first calibration batches."""
    proto = require("onnx", "export").load_from_string(graph)
    (output,) = (value.name for value in proto.graph.output)
    made = values_of(proto, [output], lowering.calibration[:_COMPARED])
    errors = [
        np.square(values[output].astype(np.float64) - wanted).mean()
        for values, wanted in zip(made, lowering.seen["wanted"], strict=True)
    ]
    return float(np.mean(errors))
