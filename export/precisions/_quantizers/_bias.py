"""Correct biases: quantization shifts the mean of each output channel, and the bias takes the shift back.

Nagel et al. (2019), "Data-free quantization through weight equalization and bias correction", with the means of real
activations. A layer is linear, so that the mean of its outputs is its output of the mean input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....extras import require
from ..base import Inputs
from ._placement import Quantized, weight_of
from ._ranges import dequantized, values_of

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = ["corrected_biases"]

_BIASED = ("Conv", "ConvTranspose", "Gemm")
"""Layers with a bias of their own."""


def corrected_biases(
    proto: onnx.ModelProto,
    nodes: Mapping[str, ir.Node],
    inputs: Mapping[str, Quantized],
    weights: Mapping[str, Quantized],
    calibration: Sequence[Inputs],
) -> dict[str, NDArray[np.float32]]:
    """The biases with which each quantized layer has, by itself, the mean outputs of the FP32 layer.

    Args:
        proto: the FP32 graph.
        nodes: its layers by name.
        inputs: name of each layer -> how its input is quantized.
        weights: name of each layer -> its quantized weights.
        calibration: inputs of the graph, batch by batch.

    Returns:
        Name of a layer -> bias of shape (outputs,); layers whose bias is not constant are left out.
    """
    able = {
        name: node
        for name, node in nodes.items()
        if node.op_type in _BIASED and _bias(node, weights[name]) is not None
    }
    values = {name: (node.inputs[0] and node.inputs[0].name) or "" for name, node in able.items()}
    if not able:
        return {}
    totals: dict[str, list[NDArray[np.float64]]] = {}
    count = 0
    for seen in values_of(proto, sorted(set(values.values())), calibration):
        for name, value in values.items():
            how = inputs[name]
            pair = (seen[value], dequantized(seen[value], how.scale, how.element))
            sums = [one.sum(0, dtype=np.float64) for one in pair]
            totals[name] = (
                sums if name not in totals else [a + b for a, b in zip(totals[name], sums, strict=True)]
            )
        count += len(next(iter(seen.values())))
    found = {}
    for name, node in able.items():
        exact, rounded = (total / count for total in totals[name])
        error = _linear(node, rounded, _dequantized_weight(weights[name])) - _linear(
            node, exact, weight_of(node)
        )
        axes = tuple(axis for axis in range(error.ndim) if axis != 1)
        bias = _bias(node, weights[name])
        assert bias is not None, "layers without were left out"
        found[name] = (bias - error.mean(axes)).astype(np.float32)
    return found


def _bias(node: ir.Node, weight: Quantized) -> NDArray[np.float32] | None:
    """The constant bias of a layer, of shape (outputs,); None if it is computed or scaled."""
    assert weight.content is not None, "weights have content"
    groups = node.attributes.get_int("group", 1) if node.op_type == "ConvTranspose" else 1
    outputs = weight.content.shape[weight.axis] * groups
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return np.zeros(outputs, np.float32)
    known = node.inputs[2].const_value
    plain = node.attributes.get_float("beta", 1.0) == 1.0
    return known.numpy().reshape(-1) if plain and known is not None and known.size == outputs else None


def _dequantized_weight(weight: Quantized) -> NDArray[np.float32]:
    assert weight.content is not None, "weights have content"
    along = [1] * weight.content.ndim
    along[weight.axis] = -1
    return weight.content.astype(np.float32) * weight.scale.reshape(along)


def _linear(node: ir.Node, value: NDArray[np.float64], weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """The output of a layer without its bias, for one picture."""
    onnx, runtime = require("onnx", "export"), require("onnxruntime", "cpu")
    import onnx_ir as ir

    given = {"x": value[None].astype(np.float32), "w": weight}
    layer = ir.to_proto(node)
    layer.input[:] = given
    helper, element = onnx.helper, onnx.TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info(name, element, array.shape) for name, array in given.items()]
    output = helper.make_tensor_value_info(layer.output[0], element, None)
    model = helper.make_model(
        helper.make_graph([layer], "layer", inputs, [output]),
        opset_imports=[helper.make_opsetid("", 21)],
        ir_version=10,
    )
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, given)[0].astype(np.float64)
