"""Whether a variant computes in the precision that it is named after: one rule for ONNX graphs and for engines.

Every layer that can be in the precision has to be, but for its FP32 layers, and half of the
arithmetic must be in it. The layers are those of `arithmetic.multiply_adds`: all nodes that multiply, whether or not
their weights are constant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .arithmetic import multiply_adds, share, value_types
from .precisions import Precision, precision, precision_names
from .precisions.base import MOVES, fp32_nodes, layers

if TYPE_CHECKING:
    import onnx

__all__ = ["LEAST_SHARE", "Naming", "check_name", "precisions_of"]

LEAST_SHARE = 0.5
"""Least share of the arithmetic in the precision that a variant is named after."""

_CONVERSIONS = MOVES | {"Cast", "DequantizeLinear", "QuantizeLinear"}
"""Operators between stored weights and the layer that reads them."""

_NAMED = 3
"""Layers that a message names."""


@dataclass(frozen=True)
class Naming:
    """What a variant computes in.

    Args:
        share: of the arithmetic in the precision of its name, 0 to 1; None in FP32, and without arithmetic.
        complaint: one line that says why it may not have its name; empty if it may.
    """

    share: float | None
    complaint: str = ""


def check_name(
    model: onnx.ModelProto, found: Mapping[str, str | None], name: str, fp32_layers: Collection[str]
) -> Naming:
    """Compare what layers compute in with the name of a variant.

    Args:
        model: the graph of the variant, or the one that its engine was built from.
        found: layer -> the precision that it computes in; None, or no entry, if that is unknown.
        name: of the precision.
        fp32_layers: its FP32 layers.
    """
    lower, counts = precision(name), multiply_adds(model)
    excuses = _excuses(model, lower) | dict.fromkeys(fp32_layers, "an FP32 layer of the search")
    others = [layer for layer in counts if found.get(layer) != name]
    part = None
    if lower.element != "FLOAT" and sum(counts.values()):
        part = round(share(counts, counts.keys() - set(others)), 4)
    wrong = [layer for layer in others if layer not in excuses]
    if wrong:
        some = ", ".join(
            f"{layer} in {found.get(layer) or 'an unknown precision'}" for layer in wrong[:_NAMED]
        )
        complaint = (
            f"asked for {name}, but {len(wrong)} of {len(counts)} convolutions and matrix products are not"
            f" computed in it: {some}{_and_more(wrong)}"
        )
        return Naming(part, complaint)
    if part is None or part >= LEAST_SHARE:
        return Naming(part)
    largest = sorted(others, key=lambda layer: -counts[layer])
    some = ", ".join(
        f"{layer} has {share(counts, {layer}):.0%} ({excuses[layer]})" for layer in largest[:_NAMED]
    )
    return Naming(
        part,
        f"only {part:.0%} of the multiply-adds are in {name.upper()}, and {LEAST_SHARE:.0%} must be:"
        f" {some}{_and_more(largest)}",
    )


def precisions_of(model: onnx.ModelProto) -> dict[str, str | None]:
    """Layer -> name of the precision that it computes in, by the types of its operands; None if there is no such one.

    A layer whose operands are both dequantized computes in what they were quantized to; with constant weights they may
    be moved after that.
    """
    import onnx

    kinds = {precision(name).element: name for name in precision_names()}
    types = {name: tensor.elem_type for name, tensor in value_types(model).items()}
    types |= {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    makers = {output: node for node in model.graph.node for output in node.output}
    counts, weighted, found = multiply_adds(model), _weighted(model), dict[str, str | None]()
    for node in model.graph.node:
        if node.name in counts:
            moved = _before_moves if node.name in weighted else _maker
            operands = [moved(name, makers) for name in node.input[:2]]
            quantized = [
                maker.input[0] for maker in operands if maker and maker.op_type == "DequantizeLinear"
            ]
            element = onnx.TensorProto.DataType.Name(
                types.get(quantized[1] if len(quantized) > 1 else node.input[1], 0)
            )
            # Unsigned activations are products of INT8 all the same.
            found[node.name] = kinds.get(element.removeprefix("U"))
    return found


def _excuses(model: onnx.ModelProto, lower: Precision) -> dict[str, str]:
    """Layer -> why it may be in FP32 in a precision, whatever the search says."""
    found = dict.fromkeys(fp32_nodes(model, frozenset()), "it computes angles")
    if lower.calibrated:
        weighted = _weighted(model)
        found |= {
            node.name: "it has no constant weights" for node in model.graph.node if node.name not in weighted
        }
    return found


def _weighted(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes whose second operand is a constant, perhaps quantized and dequantized."""
    makers = {output: node for node in model.graph.node for output in node.output}
    constants = {tensor.name for tensor in model.graph.initializer}
    found = set(layers(model))
    for node in model.graph.node:
        name = node.input[1] if len(node.input) > 1 else ""
        while (maker := makers.get(name)) is not None and maker.op_type in _CONVERSIONS:
            name = maker.input[0]
        if name in constants:
            found.add(node.name)
    return found


def _maker(name: str, makers: Mapping[str, onnx.NodeProto]) -> onnx.NodeProto | None:
    """The node that made a value."""
    return makers.get(name)


def _before_moves(name: str, makers: Mapping[str, onnx.NodeProto]) -> onnx.NodeProto | None:
    """The node that made what was moved to a value."""
    maker = makers.get(name)
    while maker is not None and maker.op_type in MOVES:
        maker = makers.get(maker.input[0])
    return maker


def _and_more(names: Collection[str]) -> str:
    return f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
