"""The arithmetic of a graph: how many multiply-adds each of its layers needs for one picture."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from math import prod
from typing import TYPE_CHECKING

from ..errors import ExportError
from ..extras import require
from ..signature import Signature
from .node_names import top_module_of
from .precisions.base import FP32_MODULES

if TYPE_CHECKING:
    import onnx

__all__ = ["MULTIPLIES", "much_arithmetic", "multiply_adds", "share", "value_types"]

_LARGE = 1024
"""Elements of the smallest initializer whose content no shape depends on."""

_MUCH = 10**9
"""Multiply-adds for one picture from which on it takes a core tens of milliseconds."""

_UNINFERRED = ("GroupNormalization",)
"""Operators whose output has the shape of their first input, which onnx does not infer."""

_Shapes = list[tuple[int, ...]]
"""Shapes of a node's inputs, then of its first output."""


def _conv(node: onnx.NodeProto, shapes: _Shapes) -> int:
    # One output value needs one tap for each element of a row of the weights, (out, in / groups, *kernel).
    return prod(shapes[-1]) * prod(shapes[1][1:])


def _conv_transpose(node: onnx.NodeProto, shapes: _Shapes) -> int:
    # One input value is multiplied by each element of a row of the weights, (in, out / groups, *kernel).
    return prod(shapes[0]) * prod(shapes[1][1:])


def _gemm(node: onnx.NodeProto, shapes: _Shapes) -> int:
    turned = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return prod(shapes[-1]) * shapes[0][0 if turned else 1]


def _matmul(node: onnx.NodeProto, shapes: _Shapes) -> int:
    return prod(shapes[-1]) * shapes[0][-1]


MULTIPLIES: Mapping[str, Callable[[onnx.NodeProto, _Shapes], int]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
}
"""Operator -> its multiply-adds. They are nearly all of a network's arithmetic."""


def multiply_adds(model: onnx.ModelProto) -> dict[str, int]:
    """Count the multiply-adds that each layer of a graph needs for one picture.

    A layer is a node that multiplies, whether or not its weights are constant; noise and pixels have none. Biases,
    activations and normalisations are not counted. Where height and width are free, the usual size counts.

    Args:
        model: in any precision; its metadata hold the signature, as `export_graph` writes it, if an extent besides the
            batch is free.

    Returns:
        Name of a node -> its multiply-adds, in graph order.

    Raises:
        ExportError: the shape of a layer cannot be inferred.
    """
    shapes = _shapes(model)
    found: dict[str, int] = {}
    for node in model.graph.node:
        if node.op_type not in MULTIPLIES or top_module_of(node.name) in FP32_MODULES:
            continue
        names = [*node.input, node.output[0]]
        unknown = [name for name in (*names[:2], names[-1]) if name not in shapes]
        if unknown:
            raise ExportError(
                f"the shape of {unknown[0]!r} in layer {node.name!r} cannot be inferred, so its arithmetic is unknown"
            )
        count = MULTIPLIES[node.op_type](node, [shapes.get(name, ()) for name in names])
        found[node.name] = found.get(node.name, 0) + count
    return found


def much_arithmetic(graphs: Iterable[bytes]) -> bool:
    """Whether a generator needs so much arithmetic for a picture that their number decides how long an export takes.

    Args:
        graphs: of its stages, as they were exported.

    Raises:
        ExportError: the shape of a layer cannot be inferred.
    """
    onnx = require("onnx", "export")
    return sum(sum(multiply_adds(onnx.load_from_string(graph)).values()) for graph in graphs) >= _MUCH


def share(counts: Mapping[str, int], names: Collection[str]) -> float:
    """The share of the arithmetic in some of the layers, 0 to 1.

    Args:
        counts: layer -> multiply-adds.
        names: layers; those that `counts` lacks have none.
    """
    whole = sum(counts.values())
    return sum(count for name, count in counts.items() if name in names) / whole if whole else 0.0


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Value -> shape for one picture, of every value whose shape is known."""
    types = value_types(model)
    return {
        name: tuple(extent.dim_value for extent in tensor.shape.dim)
        for name, tensor in types.items()
        if _is_known(tensor)
    } | {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}


def value_types(model: onnx.ModelProto) -> dict[str, onnx.TypeProto.Tensor]:
    """Value -> its type, with its shape for one picture where it can be inferred; small constants are left out."""
    onnx = require("onnx", "export")
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    light.graph.name = "shapes"
    light.graph.node.extend(model.graph.node)
    for node in light.graph.node:
        if node.op_type in _UNINFERRED:
            node.CopyFrom(onnx.helper.make_node("Identity", node.input[:1], node.output[:1], name=node.name))
    light.graph.output.extend(
        onnx.helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, None)
        for value in model.graph.output
    )
    usual = _usual_shapes(model)
    constants = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        if value.name not in constants:
            given = [extent.dim_value or None for extent in value.type.tensor_type.shape.dim]
            shape = _known(given, usual.get(value.name, ()))
            element = value.type.tensor_type.elem_type
            light.graph.input.append(onnx.helper.make_tensor_value_info(value.name, element, shape))
    for tensor in model.graph.initializer:
        if prod(tensor.dims) < _LARGE:
            light.graph.initializer.append(tensor)
        else:
            light.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    types = _inferred(light)
    if not all(_is_known(tensor) for tensor in types.values()):
        # onnx does not follow every operator that sizes are computed with, such as a quotient.
        types |= {name: tensor for name, tensor in _inferred(_folded(light)).items() if _is_known(tensor)}
    return types


def _inferred(model: onnx.ModelProto) -> dict[str, onnx.TypeProto.Tensor]:
    onnx = require("onnx", "export")
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {value.name: value.type.tensor_type for value in (*graph.input, *graph.value_info, *graph.output)}


def _is_known(tensor: onnx.TypeProto.Tensor) -> bool:
    return tensor.HasField("shape") and all(extent.HasField("dim_value") for extent in tensor.shape.dim)


def _folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the sizes that it computes from its inputs' shapes as constants."""
    require("onnxscript", "export")
    import onnx_ir as ir
    from onnxscript.optimizer import fold_constants_ir

    folded = ir.from_proto(model)
    fold_constants_ir(folded, onnx_shape_inference=True)
    return ir.to_proto(folded)


def _usual_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Input -> its usual shape with a batch of one, by the signature in the graph's metadata."""
    properties = {entry.key: entry.value for entry in model.metadata_props}
    if "litho.signature" not in properties:
        return {}
    signature = Signature.model_validate_json(properties["litho.signature"])
    return {field.name: (1, *field.usual_shape) for field in signature.inputs}


def _known(given: list[int | None], usual: tuple[int, ...]) -> list[int | None]:
    """The shape of an input with a batch of one."""
    if len(usual) == len(given):
        given = [extent or known for extent, known in zip(given, usual, strict=True)]
    return [given[0] or 1, *given[1:]] if given else given
