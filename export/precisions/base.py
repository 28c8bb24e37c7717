"""The class of precisions, and the parts of a graph that they may lower; knows no runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...bundle.manifest import Sampler
from ...parity.gate import Gate
from ...runners.base import Integers
from ..external_data import content_of
from ..node_names import top_module_of

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

__all__ = [
    "FP32_MODULES",
    "FP32_OPERATORS",
    "LAYERS",
    "MOVES",
    "SAMPLED_RATIO",
    "SAMPLED_SHARE",
    "SWITCH",
    "Inputs",
    "Lowering",
    "Precision",
    "finished",
    "fp32_nodes",
    "layers",
]

Inputs = Mapping[str, NDArray[Any]]
"""Field -> array with a batch axis in front: one batch of a graph's inputs."""

SAMPLED_SHARE, SAMPLED_RATIO = 0.95, 1.05
"""Under a sampler, of a lower precision: least share of probes within the limits of one picture; largest FD ratio."""

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that multiply by weights, which is nearly all of the arithmetic; mixed precision is decided per layer."""

MOVES = frozenset(
    {
        "DepthToSpace",
        "Flatten",
        "Identity",
        "MaxPool",
        "Reshape",
        "Slice",
        "SpaceToDepth",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
"""Operators whose output holds nothing but values of their first input: quantized values stay exact in them."""

FP32_MODULES = ("noise", "pixels")
"""Parts of the model that draw noise and round pixels; `export.graph` starts the names of their nodes with these."""

SWITCH = "litho_lowered_layer"
"""Input of the graph of `Precision.switched`, FP32 of shape (batch,): the number of the layer that is lowered."""

FP32_OPERATORS = (
    "BatchNormalization",
    "Cos",
    "Exp",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "Log",
    "LpNormalization",
    "Pow",
    "RMSNormalization",
    "Reciprocal",
    "ReduceL2",
    "ReduceMean",
    "ReduceSum",
    "ReduceSumSquare",
    "Sin",
    "Softmax",
    "Sqrt",
)
"""Sums over many values, and functions that amplify errors: they stay in FP32 in every precision."""


@dataclass(frozen=True)
class Lowering:
    """Input of `Precision.lower`.

    Args:
        graph: content of an ONNX file in FP32, after the precision's passes.
        fp32_layers: names of layers that stay in FP32 too.
        calibration: typical inputs of the graph, batch by batch; empty for a precision that needs none.
        integers: how the runtime of the graph computes in INT8.
        quantizer: name of a module of `_quantizers`.
        seen: what a quantizer keeps between lowerings of one graph with the same calibration.
    """

    graph: bytes
    fp32_layers: frozenset[str] = frozenset()
    calibration: Sequence[Inputs] = ()
    integers: Integers = field(default_factory=Integers)
    quantizer: str = "litho"
    seen: dict[Any, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Precision:
    """A precision; a module of this folder holds one as `PRECISION`.

    Args:
        name: as it is asked for, and that of its module, for example "fp16".
        rank: place among the precisions; a looser gate has a higher one.
        gate: limits that its pictures must keep; `limits` gives those under a sampler.
        lower: makes the graph, as content of an ONNX file.
        passes: graph passes that it needs besides those that are always applied.
        calibrated: whether it is made from sample inputs; only products with weights are then in it.
        element: what layers compute in, by ONNX's name of the type.
        least_target: compute capability of the oldest GPU whose engines have it.
        must_pay: whether a graph that is slower than FP32 in the same runtime is not offered.
        switched: makes a graph for ONNX Runtime in which the input `SWITCH` chooses one of `layers`, which alone is
            lowered; it gives None where there is no such graph.
    """

    name: str
    rank: int
    gate: Gate
    lower: Callable[[Lowering], bytes]
    passes: tuple[str, ...] = ()
    calibrated: bool = False
    element: str = "FLOAT"
    least_target: str = "sm75"
    must_pay: bool = False
    switched: Callable[[Lowering], bytes | None] = lambda lowering: None

    def limits(self, sampler: Sampler | None) -> Gate:
        """The limits of its pictures.

        A sampler runs the graphs many times for one picture, and steps amplify what differs: two pictures that are
        nearly equal after one step may part in the next ones. A lower precision then promises the same distribution,
        with nearly all of the probes within its limits.

        Args:
            sampler: of the generator; None of one that makes a picture at once.
        """
        if sampler is None or self.element == "FLOAT" or self.gate.grade == "same distribution":
            return self.gate
        return replace(self.gate, share=SAMPLED_SHARE, distance_ratio=SAMPLED_RATIO)

    def runs_on(self, target: str) -> bool:
        """Whether GPUs with a compute capability such as "sm86" have the precision."""
        return int(target.removeprefix("sm")) >= int(self.least_target.removeprefix("sm"))


def layers(model: onnx.ModelProto) -> list[str]:
    """Names of the layers, in graph order, without noise and pixels."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in LAYERS and _lowerable(node) and constants & set(node.input[1:2])
    ]


def fp32_nodes(model: onnx.ModelProto, fp32_layers: frozenset[str]) -> list[str]:
    """Names of the nodes that stay in FP32: noise, pixels, sensitive operators, angles, and `fp32_layers`."""
    stay = {*fp32_layers, *_angles(model.graph)}
    return [node.name for node in model.graph.node if node.name in stay or not _lowerable(node)]


def _angles(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes of sines and cosines, and of those that only compute or move their angles.

    The rounding error of an angle grows with its size, and a sine depends on the remainder after whole turns.
    """
    readers: dict[str, set[str]] = {value.name: {""} for value in graph.output}
    for node in graph.node:
        for value in node.input:
            readers.setdefault(value, set()).add(node.name)
    found: set[str] = set()
    for node in reversed(graph.node):
        read_by = set[str]().union(*(readers.get(value, set()) for value in node.output))
        made_for_them = bool(read_by) and read_by <= found
        if node.op_type in ("Sin", "Cos") or made_for_them or (node.op_type in _MOVES and read_by & found):
            found.add(node.name)
    return found


def finished(model: ir.Model, before: bytes, *, check: bool = True) -> bytes:
    """Content of an ONNX file of a graph whose types have changed: sorted, without dead nodes, checked.

    Args:
        model: the changed graph.
        before: the graph as it was.
        check: whether to check it.
    """
    from onnx_ir.passes.common import RemoveUnusedNodesPass, TopologicalSortPass

    for node in model.graph:
        for value in node.outputs:
            if not value.is_graph_output():  # its recorded type is out of date
                value.type = value.shape = None
                value.metadata_props.clear()
    TopologicalSortPass()(model)
    RemoveUnusedNodesPass()(model)
    return content_of(model, before, check=check)


_MOVES = frozenset(
    {
        "Concat",
        "Expand",
        "Flatten",
        "Gather",
        "Identity",
        "Reshape",
        "Slice",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
"""Operators that only move values."""


def _lowerable(node: onnx.NodeProto) -> bool:
    return top_module_of(node.name) not in FP32_MODULES and node.op_type not in FP32_OPERATORS
