"""What goes wrong in a failed graph: a layer, what follows the layers, or not the graph but its runtime.

The graph is run as it is written, in ONNX Runtime on a CPU without optimisation, for the few worst pictures. If it is
right then, its runtime is not. Otherwise samples of its inner values are compared with those of its source graph and
of PyTorch.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...bundle.probes import Probes
from ...extras import require
from ...parity.gate import IDENTICAL_SHARE
from ..node_names import module_of
from ..pipeline import Pipeline
from ..precisions import Precision
from ..precisions.base import LAYERS
from .activations import Value, output_of_module, values_of_graph, values_of_module

if TYPE_CHECKING:
    import onnx

__all__ = ["locate"]

_PICTURES = 4

_EXPLAINED = {"FLOAT": 1e-4, "FLOAT16": 0.05, "INT8": 0.5, "FLOAT8E4M3FN": 0.5}
"""Element type of the layers -> relative error of a value that this type alone can explain. Graphs that passed stayed
below it, except 8-bit stages of a flow, where an ordinary loss can look like a jump. ONNX Runtime cannot run BF16 on a
CPU, so it is missing here."""

_FAR = 4.0
"""An error is a jump if it is at least this many times the largest error before it, and a graph is right by itself if
without optimisation its error is as many times smaller."""

_ITSELF = "the graph is wrong by itself, also without optimisation"


@dataclass(frozen=True)
class _Point:
    """A value that exists on both sides.

    Args:
        layer: that it comes from, in words for the reader.
        error: norm of the difference over the norm of the reference.
        before: largest error of the values before it.
    """

    layer: str
    error: float
    before: float

    def __str__(self) -> str:
        return f"{self.layer} (relative error {self.error:.2g}; {self.before:.1g} before it)"


def locate(
    pipeline: Pipeline,
    stage: str,
    graphs: tuple[bytes, bytes],
    precision: Precision,
    probes: Probes,
    pictures: NDArray[np.uint8],
) -> str | None:
    """What goes wrong in a failed graph, and at which layer, in one line; None if that cannot be found.

    Args:
        pipeline: of the generator.
        stage: name of the graph's stage.
        graphs: content of two ONNX files: the stage as it was exported, in FP32, and the failed graph made from it.
        precision: of the failed graph.
        probes: with PyTorch's pictures.
        pictures: the failed graph's pictures of the probes.
    """
    # If these pictures are right, something else failed: another size or batch.
    if precision.element not in _EXPLAINED or (pictures == probes.images).mean() >= IDENTICAL_SHARE:
        return None
    try:
        worst = _worst(probes, pictures)
        few = Probes({name: values[worst] for name, values in probes.inputs.items()}, probes.images[worst])
        return _locate(pipeline, stage, graphs, precision, (few, pictures[worst]))
    except Exception:
        # A precision without kernels here, or a lack of memory: the verdict stands without a layer.
        return None


def _worst(probes: Probes, pictures: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Positions of the probes whose pictures are worst, in ascending order."""
    squared = np.square(pictures.astype(np.float64) - probes.images).mean((1, 2, 3))
    return np.sort(np.argsort(-squared, kind="stable")[:_PICTURES])


def _locate(
    pipeline: Pipeline,
    stage: str,
    graphs: tuple[bytes, bytes],
    precision: Precision,
    failed: tuple[Probes, NDArray[np.uint8]],
) -> str:
    """What goes wrong; `failed` are the worst probes, and the failed graph's pictures of them."""
    onnx = require("onnx", "export")
    module, signature = pipeline.stages[stage]
    alone = pipeline.sampler is None
    # No request holds the inputs of one of several stages.
    inputs = failed[0].inputs if alone else signature.example(_PICTURES)
    inputs = {field.name: inputs[field.name] for field in signature.inputs}
    first, second = map(onnx.load_from_string, graphs)
    nodes, parts = _nodes(first), set(dict(module.named_modules()))
    names, outputs = (
        [node.output[0] for node in nodes],
        [graph.graph.output[0].name for graph in (first, second)],
    )
    exported = values_of_graph(first, [*names, outputs[0]], inputs, signature, pipeline.worker, graphs[0])
    made = values_of_graph(second, [*names, outputs[1]], inputs, signature, pipeline.worker, graphs[1])
    run = pipeline.model if alone else module
    wanted = Value.of(failed[0].images) if alone else output_of_module(run, [*inputs.values()])
    explained = _EXPLAINED[precision.element]
    error = _error(made[outputs[1]].sample, wanted.sample)
    if error <= (_error(Value.of(failed[1]).sample, wanted.sample) / _FAR if alone else explained):
        return (
            "the graph is right: ONNX Runtime without optimisation computes what PyTorch does; its own runtime, or the"
            " optimisation there, computes something else"
        )
    compared = {name: exported[name] for name in names}
    points = [] if graphs[0] == graphs[1] else _points(nodes, parts, compared, made)
    if (point := _jump(points, explained)) is not None:
        return _words(point, "the FP32 graph's")
    # The failed graph is the FP32 graph, or computes the same: the FP32 graph itself may be wrong.
    plain = _points(nodes, parts, values_of_module(module, run, [*inputs.values()], nodes), compared)
    if (point := _jump(plain, _EXPLAINED["FLOAT"])) is not None:
        return _words(point, "PyTorch's")
    return _without_a_jump(points or plain, precision)


def _without_a_jump(points: Sequence[_Point], precision: Precision) -> str:
    """What to say of a graph that is wrong although no layer departs."""
    if not points:
        return f"{_ITSELF}; none of its values can be compared with PyTorch's"
    most = max(points, key=lambda point: point.error - point.before)
    if max(point.error for point in points) <= _EXPLAINED["FLOAT"]:
        last = points[-1].layer
        return f"{_ITSELF}: all values up to layer {last} are PyTorch's, but not the pixels made of them"
    return f"no layer departs by more than {precision.name} explains; most is lost at layer {most}"


def _words(point: _Point, reference: str) -> str:
    return (
        f"{_ITSELF}: the first values that depart from {reference} are those of layer {point}: it has other weights,"
        " or computes something else"
    )


def _nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Nodes up to the rounding of pixels, where a tiny error becomes a whole grey level."""
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    ends = (
        index
        for index, node in enumerate(nodes)
        if node.op_type == "Round" and module_of(node.name) == "pixels"
    )
    return nodes[: next(ends, None)]


def _layer(
    node: onnx.NodeProto, nodes: Sequence[onnx.NodeProto], known: Container[str], parts: set[str]
) -> str:
    """The parts of the module that a value comes from, in words.

    Args:
        node: makes the value.
        nodes: the nodes before it.
        known: values that exist on both sides; layers between those and this one were folded together.
        parts: names of all parts.
    """
    names, wanted = [], set(node.input)
    own = module_of(node.name)
    for one in (node, *reversed(nodes)):
        if one is node or (not wanted.isdisjoint(one.output) and one.output[0] not in known):
            wanted.update(one.input)
            if one.op_type in LAYERS:
                weights = one.input[1].rpartition(".")[0]
                names.append(weights if weights in parts else module_of(one.name))
    names = [name for name in (*reversed(names), own) if name and name in parts]
    return f"{' and '.join(map(repr, dict.fromkeys(names or [node.name])))}, {node.op_type}"


def _points(
    nodes: Sequence[onnx.NodeProto],
    parts: set[str],
    wanted: Mapping[str, Value],
    made: Mapping[str, Value],
) -> list[_Point]:
    """Values that exist on both sides in the same shape, in graph order, without errors that have no effect.

    The difference of two equal numbers has a large relative error although nothing is wrong; values made from it are
    as right as those before it.
    """
    errors = {
        name: _error(made[name].sample, one.sample)
        for name, one in wanted.items()
        if name in made and made[name].shape == one.shape
    }
    points, before = [], 0.0
    for index, node in enumerate(nodes):
        if (error := errors.get(node.output[0])) is None:
            continue
        usual = max(before, _EXPLAINED["FLOAT"])
        if error <= usual or _weighs(nodes[index:], errors, usual):
            points.append(_Point(_layer(node, nodes[:index], errors, parts), error, before))
            before = max(before, error)
    return points


def _weighs(nodes: Sequence[onnx.NodeProto], errors: Mapping[str, float], usual: float) -> bool:
    """Whether errors larger than `usual` lead from the first node's value to the last node's."""
    reached = set(nodes[0].output)
    for node in nodes[1:]:
        if not reached.isdisjoint(node.input) and any(
            errors.get(name, np.inf) > usual for name in node.output
        ):
            reached.update(node.output)
    return nodes[-1].output[0] in reached


def _error(made: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Norm of the difference over the norm of `wanted`; infinite if only one of them is NaN or infinite."""
    same = (made == wanted) | (np.isnan(made) & np.isnan(wanted))
    if not (np.isfinite(made) & np.isfinite(wanted) | same).all():
        return float("inf")
    apart = np.subtract(made, wanted, out=np.zeros_like(wanted), where=~same)
    finite = np.where(np.isfinite(wanted), wanted, 0)
    # Without BLAS: its threads wait for one another longer than this takes.
    distance, norm = (float(np.square(one, dtype=np.float64).sum()) ** 0.5 for one in (apart, finite))
    return distance / norm if norm else float("inf") if distance else 0.0


def _jump(points: Sequence[_Point], explained: float) -> _Point | None:
    """The first value whose error is far above all errors before it and above `explained`."""
    jumps = (point for point in points if point.error > max(explained, _FAR * point.before))
    return next(jumps, None)
