"""Which layer a graph goes wrong at: its inner values beside those of the graph it was made from, and of PyTorch.

It looks at some elements of every value, for the few pictures that are furthest off, with the graph as it is written:
ONNX Runtime on a CPU, nothing optimised away.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...bundle.probes import Probes
from ...extras import require
from ...parity.gate import IDENTICAL_SHARE
from ..pipeline import Pipeline
from ..precisions import Precision
from ..precisions.base import LAYERS
from .activations import Value, values_of_graph, values_of_module

if TYPE_CHECKING:
    import onnx

__all__ = ["locate"]

_PICTURES = 4

_EXPLAINED = {"FLOAT": 1e-4, "FLOAT16": 0.05, "INT8": 0.5, "FLOAT8E4M3FN": 0.5}
"""What layers compute in -> relative error of a value that this alone may explain: above all that was measured of
graphs that pass, but for the stages of a flow in 8 bits, where an honest loss may look like a jump. BF16 is not here:
ONNX Runtime cannot run it on a CPU."""

_FAR = 4.0
"""An error is a jump from so many times the largest one before it."""


@dataclass(frozen=True)
class _Point:
    """A value that two sides have.

    Args:
        layer: that it comes from, for people.
        error: norm of the difference over that of the reference.
        before: the largest error of values before it.
    """

    layer: str
    error: float
    before: float

    def __str__(self) -> str:
        return f"{self.layer} (relative error {self.error:.2g}; {self.before:.1g} before it)"


def locate(
    pipeline: Pipeline,
    stage: str,
    original: bytes,
    graph: bytes,
    precision: Precision,
    probes: Probes,
    pictures: NDArray[np.uint8],
) -> str | None:
    """Where a graph departs from what it was made from, in one line; None where that cannot be found out.

    Args:
        pipeline: of the generator.
        stage: that the graph is of.
        original: content of the ONNX file of the stage as it was exported, in FP32.
        graph: content of the failed one, made from that.
        precision: of the failed one.
        probes: with PyTorch's pictures.
        pictures: of the failed one, of the probes.
    """
    # Where these pictures are right, it was not they that failed.
    if precision.element not in _EXPLAINED or (pictures == probes.images).mean() >= IDENTICAL_SHARE:
        return None
    try:
        inputs = _inputs(pipeline, stage, probes, pictures)
        return _locate(pipeline, stage, original, graph, precision, inputs)
    except Exception:
        # Whatever it is - a precision without kernels here, memory - the verdict stands without it.
        return None


def _inputs(
    pipeline: Pipeline, stage: str, probes: Probes, pictures: NDArray[np.uint8]
) -> dict[str, NDArray[Any]]:
    """Of the stage: the probes of the worst pictures; of one stage of several, examples."""
    _, signature = pipeline.stages[stage]
    if pipeline.sampler is not None:
        return signature.example(_PICTURES)
    squared = np.square(pictures.astype(np.float64) - probes.images).mean((1, 2, 3))
    worst = np.sort(np.argsort(-squared, kind="stable")[:_PICTURES])
    return {field.name: probes.inputs[field.name][worst] for field in signature.inputs}


def _locate(
    pipeline: Pipeline,
    stage: str,
    original: bytes,
    graph: bytes,
    precision: Precision,
    inputs: dict[str, NDArray[Any]],
) -> str:
    onnx = require("onnx", "export")
    module, signature = pipeline.stages[stage]
    first, failed = onnx.load_from_string(original), onnx.load_from_string(graph)
    nodes, parts = _nodes(first), set(dict(module.named_modules()))
    exported = values_of_graph(first, [node.output[0] for node in nodes], inputs, signature)
    points: list[_Point] = []
    if graph != original:
        made = values_of_graph(failed, list(exported), inputs, signature)
        points = _points(nodes, parts, exported, made)
        if (point := _jump(points, _EXPLAINED[precision.element])) is not None:
            return _words(point, "the FP32 graph's")
    # The FP32 graph itself is under suspicion where the failed one is that, or computes what that computes.
    run = module if pipeline.sampler is not None else pipeline.model
    wanted = values_of_module(module, run, [inputs[field.name] for field in signature.inputs], nodes)
    plain = _points(nodes, parts, wanted, exported)
    if (point := _jump(plain, _EXPLAINED["FLOAT"])) is not None:
        return _words(point, "PyTorch's")
    points = points or plain
    if max(point.error for point in points) <= _EXPLAINED["FLOAT"]:
        return "ONNX Runtime, optimising nothing, computes every layer of it as PyTorch does"
    most = max(points, key=lambda point: point.error - point.before)
    return f"no layer departs by more than {precision.name} explains; most is lost at layer {most}"


def _words(point: _Point, reference: str) -> str:
    return (
        f"the first values that depart from {reference} are those of layer {point}: it has other weights, or computes"
        " something else"
    )


def _nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Those of a graph up to where pixels are rounded: there, next to no error makes a whole grey level."""
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    ends = (
        place
        for place, node in enumerate(nodes)
        if node.op_type == "Round" and node.name.startswith("pixels/")
    )
    return nodes[: next(ends, None)]


def _layer(
    node: onnx.NodeProto, nodes: Sequence[onnx.NodeProto], known: Container[str], parts: set[str]
) -> str:
    """Names of the parts of the module that a value comes from.

    Args:
        node: that makes it.
        nodes: before that one.
        known: values that both sides have; a layer between them and this one was folded into it, or it into that.
        parts: names of all.
    """
    names, wanted = [], set(node.input)
    own = node.name.partition("/")[0]
    for one in (node, *reversed(nodes)):
        if one is node or (not wanted.isdisjoint(one.output) and one.output[0] not in known):
            wanted.update(one.input)
            if one.op_type in LAYERS:
                weights = one.input[1].rpartition(".")[0]
                names.append(weights if weights in parts else one.name.partition("/")[0])
    names = [name for name in (*reversed(names), own) if name and name in parts]
    return f"{' and '.join(map(repr, dict.fromkeys(names or [node.name])))}, {node.op_type}"


def _points(
    nodes: Sequence[onnx.NodeProto],
    parts: set[str],
    wanted: Mapping[str, Value],
    made: Mapping[str, Value],
) -> list[_Point]:
    """The values that both sides have in the same shape, in the order of the graph, without errors that weigh nothing.

    What is left of a difference of equal numbers has a large relative error, and nothing went wrong: what is made from
    it is as right as what came before.
    """
    errors = {
        name: _error(made[name].sample, one.sample)
        for name, one in wanted.items()
        if name in made and made[name].shape == one.shape
    }
    points, before = [], 0.0
    for place, node in enumerate(nodes):
        if (error := errors.get(node.output[0])) is None:
            continue
        usual = max(before, _EXPLAINED["FLOAT"])
        if error <= usual or _weighs(nodes[place:], errors, usual):
            points.append(_Point(_layer(node, nodes[:place], errors, parts), error, before))
            before = max(before, error)
    return points


def _weighs(nodes: Sequence[onnx.NodeProto], errors: Mapping[str, float], usual: float) -> bool:
    """Whether an error of the first node's value can be followed to the last one's, by errors larger than `usual`."""
    reached = set(nodes[0].output)
    for node in nodes[1:]:
        if not reached.isdisjoint(node.input) and any(
            errors.get(name, np.inf) > usual for name in node.output
        ):
            reached.update(node.output)
    return nodes[-1].output[0] in reached


def _error(made: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Norm of the difference over that of what is wanted; infinite where one is NaN or infinite and the other not."""
    same = (made == wanted) | (np.isnan(made) & np.isnan(wanted))
    if not (np.isfinite(made) & np.isfinite(wanted) | same).all():
        return float("inf")
    apart = np.subtract(made, wanted, out=np.zeros_like(wanted), where=~same)
    kept = np.where(np.isfinite(wanted), wanted, 0)
    # Not by BLAS, whose threads wait for one another longer than this takes.
    distance, norm = (float(np.square(one, dtype=np.float64).sum()) ** 0.5 for one in (apart, kept))
    return distance / norm if norm else float("inf") if distance else 0.0


def _jump(points: Sequence[_Point], explained: float) -> _Point | None:
    """The first value whose error is far above those before it and above what is explained."""
    jumps = (point for point in points if point.error > max(explained, _FAR * point.before))
    return next(jumps, None)
