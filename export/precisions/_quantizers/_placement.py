"""Where quantize and dequantize nodes stand: before layers, and elsewhere only for a runtime that needs them there.

A quantized layer's input is quantized once, by a node that all of its readers share, and before the value is moved:
the moves are then done in eight bits. Outputs stay as they are, so that a runtime can fuse residual sums, activations
and normalisations into the layer before (TensorRT's guide to explicit quantization).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...node_names import top_module_of
from ..base import FP32_MODULES, LAYERS, MOVES

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["Quantized", "Site", "channel_axis", "initializer", "insert", "sites", "weight_of"]

_NEVER_NEGATIVE = frozenset({"Abs", "Exp", "Relu", "Sigmoid", "Softmax", "Softplus", "Sqrt"})


@dataclass(frozen=True)
class Site:
    """A value that is quantized.

    Args:
        value: of the FP32 graph.
        layers: names of the layers that read it, or what is moved out of it; empty for the output of a layer, which
            all of its readers then read quantized.
        negative: whether it can be below 0.
    """

    value: ir.Value
    layers: tuple[str, ...]
    negative: bool


@dataclass(frozen=True)
class Quantized:
    """Numbers in eight bits: `scale` times `content`, or the scale alone of a value that is computed.

    Args:
        scale: FP32, a scalar, or one for each channel.
        element: ONNX's name of the type.
        content: in that type; None for a value that is computed.
        axis: of the channels.
    """

    scale: NDArray[np.float32]
    element: str
    content: NDArray[Any] | None = None
    axis: int = 0


def sites(model: ir.Model, names: frozenset[str], *, outputs: bool = False) -> list[Site]:
    """The values to quantize so that the layers called `names` compute with quantized inputs, in graph order.

    Args:
        model: in FP32.
        names: of layers.
        outputs: quantize what convolutions among them give, too: some runtimes compute them in eight bits only then.
    """
    found: dict[ir.Value, list[str]] = {}
    chosen = [node for node in model.graph if node.name in names and node.op_type in LAYERS]
    for node in chosen:
        assert node.inputs[0] is not None, "a layer has an input"
        found.setdefault(_source(node.inputs[0]), []).append(node.name or "")
    for node in chosen if outputs else ():
        if node.op_type == "Conv" and (output := _output(node.outputs[0])) is not None:
            found.setdefault(output, [])
    return [Site(value, tuple(layers), not _never_negative(value)) for value, layers in found.items()]


def _source(value: ir.Value) -> ir.Value:
    """The value that `value` was moved from, through operators that nothing else reads from."""
    node = value.producer()
    while node is not None and _moves(node) and _only(value):
        assert node.inputs[0] is not None, "a move has an input"
        value, node = node.inputs[0], node.inputs[0].producer()
    return value


def _output(value: ir.Value) -> ir.Value | None:
    """What a convolution gives, after its ReLU if it has one; None for the last values before the pixels."""
    readers = [use.node for use in value.uses()]
    if [reader.op_type for reader in readers] == ["Relu"]:
        return readers[0].outputs[0]
    last = {reader.op_type for reader in readers} <= {"Sigmoid", "Tanh"} or any(
        top_module_of(reader.name or "") in FP32_MODULES for reader in readers
    )
    return None if last else value


def _moves(node: ir.Node) -> bool:
    return node.op_type in MOVES and node.domain == "" and top_module_of(node.name or "") not in FP32_MODULES


def _only(value: ir.Value) -> bool:
    return len(value.uses()) == 1 and not value.is_graph_output()


def _never_negative(value: ir.Value) -> bool:
    node = value.producer()
    while node is not None and _moves(node) and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    return node is not None and node.op_type in _NEVER_NEGATIVE


def weight_of(node: ir.Node) -> NDArray[np.float32]:
    """The constant weights of a layer."""
    value = node.inputs[1]
    assert value is not None, "a layer has weights"
    assert value.const_value is not None, "they are constant"
    return value.const_value.numpy()


def channel_axis(node: ir.Node) -> int:
    """The axis of a layer's weights that numbers its output channels."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1
    if node.op_type == "Gemm":
        return 0 if node.attributes.get_int("transB", 0) else 1
    return weight_of(node).ndim - 1


def insert(
    model: ir.Model,
    found: list[Site],
    activations: Mapping[str, Quantized],
    weights: Mapping[str, Quantized],
    *,
    between: bool = False,
) -> None:
    """Insert the nodes.

    Args:
        model: changed in place.
        found: the values to quantize.
        activations: name of each of these values -> how.
        weights: name of each layer that reads them -> its weights.
        between: quantize again after every move, so that each stands between a dequantize and a quantize node.
    """
    layers = {node.name: node for node in model.graph if node.name in weights}
    shared: dict[tuple[ir.Value | None, int], ir.Value] = {}
    for site in found:
        how, readers = activations[site.value.name or ""], {layers[name] for name in site.layers}
        uses = tuple(site.value.uses())
        scales = _scales(model, site.value, how)
        back = _pair(model, site.value, scales)
        for node, index in uses:
            if not readers or (node in readers and index == 0) or _leads_to(node, readers):
                node.replace_input_with(index, back)
                if between:
                    _again(model, node, scales)
        for name in site.layers:
            key = layers[name].inputs[1], weights[name].axis
            if key not in shared:
                shared[key] = _constant(model, key[0], weights[name])
            layers[name].replace_input_with(1, shared[key])


def _leads_to(node: ir.Node, readers: set[ir.Node]) -> bool:
    while _moves(node) and _only(node.outputs[0]):
        ((node, index),) = node.outputs[0].uses()
        if node in readers and index == 0:
            return True
    return False


def _again(model: ir.Model, node: ir.Node, scales: Sequence[ir.Value]) -> None:
    """Quantize and dequantize what a move, and each move behind it, gives."""
    while _moves(node) and _only(node.outputs[0]):
        ((reader, index),) = node.outputs[0].uses()
        reader.replace_input_with(index, _pair(model, node.outputs[0], scales))
        node = reader


def _scales(model: ir.Model, value: ir.Value, how: Quantized) -> tuple[ir.Value, ir.Value]:
    """Scale and zero point of a value that is computed."""
    import onnx_ir as ir

    zero = np.zeros((), ir.DataType[how.element].numpy())
    return initializer(model, f"{value.name}.scale", how.scale), initializer(
        model, f"{value.name}.zero", zero
    )


def _pair(model: ir.Model, value: ir.Value, scales: Sequence[ir.Value]) -> ir.Value:
    """Quantize and dequantize a value that is computed."""
    import onnx_ir as ir

    name = value.name
    small = ir.Value(name=f"{name}.quantized", type=scales[1].type, shape=value.shape)
    back = ir.Value(name=f"{name}.dequantized", type=value.type, shape=value.shape)
    nodes = [
        ir.Node("", "QuantizeLinear", [value, *scales], outputs=[small], name=f"{name}.QuantizeLinear"),
        ir.Node("", "DequantizeLinear", [small, *scales], outputs=[back], name=f"{name}.DequantizeLinear"),
    ]
    producer = value.producer()
    if producer is None:
        model.graph.insert_before(model.graph[0], nodes)
    else:
        model.graph.insert_after(producer, nodes)
    return back


def _constant(model: ir.Model, value: ir.Value | None, how: Quantized) -> ir.Value:
    """Dequantize weights."""
    import onnx_ir as ir

    assert value is not None, "a layer has weights"
    assert how.content is not None, "weights have content"
    name = f"{value.name}.axis{how.axis}"
    zeros = np.zeros(how.scale.shape, ir.DataType[how.element].numpy())
    inputs = [
        initializer(model, f"{name}.{what}", content)
        for what, content in {"quantized": how.content, "scale": how.scale, "zero": zeros}.items()
    ]
    back = ir.Value(name=f"{name}.dequantized", type=value.type, shape=value.shape)
    axis = ir.AttrInt64("axis", how.axis)
    node = ir.Node("", "DequantizeLinear", inputs, [axis], outputs=[back], name=f"{name}.DequantizeLinear")
    model.graph.insert_before(model.graph[0], node)
    return back


def initializer(model: ir.Model, name: str, content: NDArray[Any]) -> ir.Value:
    """A new constant of the graph; underscores keep its name apart from others."""
    import onnx_ir as ir

    known = model.graph.initializers
    while name in known:
        name += "_"
    tensor = ir.tensor(np.ascontiguousarray(content).reshape(content.shape), name=name)
    known[name] = ir.Value(
        name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(content.shape), const_value=tensor
    )
    return known[name]
