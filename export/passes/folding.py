"""Fold batch normalisation and constant scales and shifts of channels into the weights of the layer before.

s · (W x + b) + t = (s · W) x + (s · b + t). The layer is a convolution, a transposed convolution, or a matrix product,
which may be followed by a reshape to a picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ._editing import Editor, constant, nodes_of, only_reader

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["apply"]

SUMMARY = "batch normalisation and constant scales folded into weights"
ORDER = 20
DEFAULT = True

_SCALINGS = ("Add", "Div", "Mul", "Sub")


@dataclass(frozen=True)
class _Layer:
    """A layer that can absorb a scale and a shift of its output channels.

    Args:
        node: Conv, ConvTranspose or Gemm.
        reshape: the Reshape of a Gemm's output to a picture, or None.
        weight: FP32, in the node's layout.
        bias: FP32 of shape (outputs,); zeros if the node has none.
        rank: number of axes of the output, after the reshape.
        channels: number of channels of the output, after the reshape.
    """

    node: ir.Node
    reshape: ir.Node | None
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    rank: int
    channels: int

    def scaled(self, scale: NDArray[np.float64]) -> NDArray[np.float32]:
        """The weight times `scale`, FP64 of shape (outputs,)."""
        weight = self.weight
        if self.node.op_type == "Conv" or self.node.attributes.get_int("transB", 0):
            factor = scale.reshape(-1, *(1,) * (weight.ndim - 1))
        elif self.node.op_type == "Gemm":
            factor = scale
        else:  # ConvTranspose: (inputs, outputs / groups, height, width), and each group has its own outputs
            groups = self.node.attributes.get_int("group", 1)
            factor = np.repeat(scale.reshape(groups, -1), weight.shape[0] // groups, 0)
            factor = factor.reshape(*weight.shape[:2], *(1,) * (weight.ndim - 2))
        return (weight * factor).astype(np.float32)


def apply(model: ir.Model) -> int:
    """Fold every normalisation, scale and shift of channels that follows a layer with constant weights.

    Returns:
        How many nodes were folded.
    """
    return sum(_fold(model, node) for node in nodes_of(model, "BatchNormalization", *_SCALINGS))


def _fold(model: ir.Model, node: ir.Node) -> bool:
    data = next((value for value in node.inputs if constant(value) is None), None)
    layer = None if data is None else _layer(data)
    # Values that FP32 cannot hold, such as a division by 0, are refused below.
    with np.errstate(all="ignore"):
        affine = None if data is None or layer is None else _scale_and_shift(node, data, layer)
        if layer is None or affine is None:
            return False
        # A channel of a reshaped product has one column per pixel.
        scale, shift = (np.repeat(part, len(layer.bias) // layer.channels) for part in affine)
        weight = layer.scaled(scale)
        bias = (layer.bias * scale + shift).astype(np.float32)
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        return False
    before = layer.node
    edit = Editor(model, node, before.name)
    attributes = {name: value for name, value in before.attributes.items() if name != "beta"}
    result = edit.op(
        before.op_type,
        [before.inputs[0], edit.constant("weight", weight), edit.constant("bias", bias)],
        **attributes,
    )
    if layer.reshape is None:
        edit.finish(result, before)
    else:
        shaped = edit.op("Reshape", [result, layer.reshape.inputs[1]], **layer.reshape.attributes)
        edit.finish(shaped, layer.reshape, before)
    return True


def _layer(value: ir.Value) -> _Layer | None:
    """The layer that computes a value, if its weights are constant and nothing else reads its output."""
    node, reshape, shape = value.producer(), None, None
    if node is not None and node.op_type == "Reshape" and node.inputs[0] is not None:
        reshape, shape, inner = node, value.shape, node.inputs[0]
        node = inner.producer() if only_reader(inner) else None
        if node is None or node.op_type != "Gemm":
            return None
    if node is None or node.domain or not only_reader(value):
        return None
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm"):
        return None
    weight = constant(node.inputs[1])
    if weight is None or weight.dtype != np.float32:
        return None
    across = node.op_type == "Conv" or node.attributes.get_int("transB", 0)
    outputs = weight.shape[0] if across else weight.shape[1] * node.attributes.get_int("group", 1)
    bias = _bias(node, outputs)
    if bias is None:
        return None
    if reshape is None:
        return _Layer(node, None, weight, bias, weight.ndim, outputs)
    extents = [] if shape is None else [extent for extent in shape[1:] if isinstance(extent, int)]
    if shape is None or not extents or len(extents) < len(shape) - 1 or math.prod(extents) != outputs:
        return None
    return _Layer(node, reshape, weight, bias, len(shape), extents[0])


def _bias(node: ir.Node, outputs: int) -> NDArray[np.float32] | None:
    """The bias of a layer, FP32 of shape (outputs,); None if it is computed or differs by row."""
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return np.zeros(outputs, np.float32)
    bias = constant(node.inputs[2])
    if bias is None or bias.size not in (1, outputs) or (bias.ndim > 1 and bias.shape[-1] != bias.size):
        return None
    factor = np.float32(node.attributes.get_float("beta", 1.0))
    return np.broadcast_to(bias.reshape(-1) * factor, (outputs,))


def _scale_and_shift(
    node: ir.Node, data: ir.Value, layer: _Layer
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Scale and shift of each channel by a node, FP64 of shape (channels,); None if it computes something else."""
    others = [constant(value) for value in node.inputs if value is not data]
    if any(part is None for part in others):
        return None
    known = [np.asarray(part, np.float64) for part in others]
    ones = np.ones(layer.channels)
    if node.op_type == "BatchNormalization":
        training = node.attributes.get_int("training_mode", 0) or len(node.outputs) > 1
        if training or len(known) < 4 or node.inputs[0] is not data:
            return None
        gamma, beta, mean, variance = known
        scale = gamma / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
        return scale, beta - mean * scale
    value = _per_channel(known[0], layer) if len(known) == 1 else None
    if value is None:
        return None
    first = node.inputs[0] is data
    if node.op_type == "Div":
        return (1 / value, 0 * ones) if first else None
    return {
        "Mul": (value, 0 * ones),
        "Add": (ones, value),
        "Sub": (ones, -value) if first else (-ones, value),
    }[node.op_type]


def _per_channel(value: NDArray[np.float64], layer: _Layer) -> NDArray[np.float64] | None:
    """A constant scalar, or constant per channel, as shape (channels,); None if it varies otherwise."""
    if value.ndim > layer.rank:
        return None
    extents = (1,) * (layer.rank - value.ndim) + value.shape
    varied = extents[1] in (1, layer.channels) and value.size == extents[1]
    return np.broadcast_to(value.reshape(-1), (layer.channels,)) if varied else None
