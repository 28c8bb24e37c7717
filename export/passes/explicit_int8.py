"""Quantization as TensorRT takes it: signed, symmetric, and only at the inputs of layers.

Graphs for CPUs quantize some activations to UINT8, and the outputs of some layers too. TensorRT has no UINT8
activations, and a quantized output keeps it from fusing residual sums, activations and normalisations into the layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..precisions.base import LAYERS, MOVES
from ._editing import constant

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["apply"]

SUMMARY = "signed quantization at the inputs of layers only"
ORDER = 55
DEFAULT = False


def apply(model: ir.Model) -> int:
    """Remove quantization that no layer reads and what repeats it after moves, and make UINT8 activations INT8.

    Returns:
        How many quantizations were changed.
    """
    import onnx_ir as ir

    removed = 0
    # From the outputs on: what repeats an earlier quantization is found before that changes.
    for node, backs in reversed(list(_quantizations(model))):
        if _repeats(node) or not any(_reaches_layer(back.outputs[0]) for back in backs):
            for back in backs:
                assert node.inputs[0] is not None, "it quantizes a value"
                ir.convenience.replace_all_uses_with(back.outputs[0], node.inputs[0])
                model.graph.remove(back, safe=True)
            model.graph.remove(node, safe=True)
            removed += 1
    return removed + sum(_make_signed(model, [node, *backs]) for node, backs in _quantizations(model))


def _quantizations(model: ir.Model) -> Iterator[tuple[ir.Node, list[ir.Node]]]:
    """Each quantize node of a computed value with its dequantize nodes."""
    for node in list(model.graph):
        if node.op_type == "QuantizeLinear":
            backs = [use.node for use in node.outputs[0].uses()]
            if backs and all(back.op_type == "DequantizeLinear" for back in backs):
                yield node, backs


def _repeats(node: ir.Node) -> bool:
    """Whether what it quantizes was only moved since it was dequantized with the same scale."""
    value = node.inputs[0]
    maker = None if value is None else value.producer()
    moved = False
    while maker is not None and maker.op_type in MOVES and maker.inputs[0] is not None:
        maker, moved = maker.inputs[0].producer(), True
    same = maker is not None and maker.op_type == "DequantizeLinear" and maker.inputs[1] is node.inputs[1]
    return moved and same


def _reaches_layer(value: ir.Value) -> bool:
    """Whether a layer reads the value, or what is moved out of it."""
    return any(
        (use.node.op_type in LAYERS and use.idx == 0)
        or (use.node.op_type in MOVES and _reaches_layer(use.node.outputs[0]))
        for use in value.uses()
    )


def _make_signed(model: ir.Model, nodes: list[ir.Node]) -> bool:
    import onnx_ir as ir

    scale, zero = (constant(value) for value in nodes[0].inputs[1:])
    if scale is None or zero is None or zero.dtype != np.uint8:
        return False
    name = nodes[0].name
    made = [
        ir.Value(
            name=f"{name}.{what}",
            type=ir.TensorType(tensor.dtype),
            shape=ir.Shape(scale.shape),
            const_value=tensor,
        )
        for what, tensor in {
            "signed_scale": ir.tensor((scale * np.float32(255 / 127)).astype(np.float32)),
            "signed_zero": ir.tensor(np.zeros(scale.shape, np.int8)),
        }.items()
    ]
    for value in made:
        model.graph.initializers[value.name or ""] = value
    for node in nodes:
        for index, value in enumerate(made, 1):
            node.replace_input_with(index, value)
    small = nodes[0].outputs[0]
    small.type = ir.TensorType(ir.DataType.INT8)
    return True
