"""Mixed precision: which layers stay in FP32.

Of a calibrated precision, each layer that stays in FP32 costs speed and takes an error out of the pictures. The layers
are put in order, the most error for the least arithmetic first, and the search stops at the knee: where the next layer
would cost more than it gives. Speed is reckoned from arithmetic, so that a busy machine changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..bundle.manifest import Verdict
from ..extras import require
from .arithmetic import multiply_adds
from .naming import LEAST_SHARE, precisions_of
from .precisions import Lowering, Precision, layers

if TYPE_CHECKING:
    import onnx

__all__ = ["Lowered", "knee", "search"]

_GAIN = 3.0
"""Times that a layer is faster in eight bits than in FP32, as reckoned."""

_DB_PER_PERCENT = 0.5
"""A layer stays in FP32 if the pictures gain this many decibels for each percent of time that it costs."""

_VECTOR = 16
"""Outputs that a processor computes at once."""

_UNSEEN = 0.05
"""Squared error, in squared grey levels, that counts as none: rounding to whole levels has 1/12."""


@dataclass(frozen=True)
class Lowered:
    """A graph in a precision.

    Args:
        graph: content of its ONNX file.
        fp32_layers: layers that stay in FP32, the most sensitive first.
        verdict: of the gate; None if no runtime on this machine can run the graph.
        passes: graph passes that changed it, name -> number of changes.
        layers: number of layers that could be lowered.
    """

    graph: bytes
    fp32_layers: tuple[str, ...] = ()
    verdict: Verdict | None = None
    passes: Mapping[str, int] = field(default_factory=dict)
    layers: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        """The fields of `Variant` that describe the graph."""
        return {"passes": dict(self.passes), "fp32_layers": self.fp32_layers, "layers": self.layers}


def search(
    precision: Precision,
    lowering: Lowering,
    judge: Callable[[bytes], Verdict | None],
    error: Callable[[bytes], float],
    errors_of: Callable[[bytes, int], Sequence[float] | None] = lambda graph, count: None,
) -> Lowered:
    """Lower a graph to a precision, with the layers in FP32 that are worth it.

    The sensitivity of a layer is the error of the pictures when only that layer is lowered. Without calibration, a
    layer stays in FP32 only if the pictures fail the gate otherwise. The graph that is returned was judged itself.

    Args:
        precision: the precision to lower to.
        lowering: the graph in FP32, after the precision's passes.
        judge: gives the verdict on a graph; None if no runtime on this machine can run it.
        error: gives the mean squared error of a graph's pictures, in squared grey levels.
        errors_of: gives this error for each layer of a graph of `Precision.switched`, given their number, in one
            session; None where it cannot. Then every layer gets a graph of its own.

    Returns:
        The graph at the knee, or the next one with more layers in FP32 that passes; the fully lowered graph if none
        passes.
    """

    def lowered(fp32_layers: Sequence[str]) -> Lowered:
        made = precision.lower(replace(lowering, fp32_layers=frozenset(fp32_layers)))
        another = precision.calibrated and lowering.quantizer != "litho"
        also = _left_out(made, fp32_layers) if another else ()
        return Lowered(made, (*fp32_layers, *also), judge(made))

    whole = None if precision.calibrated else lowered(())
    if whole is not None and (
        whole.verdict is None or whole.verdict.status == "passed" or precision.element == "FLOAT"
    ):
        return whole
    model = require("onnx", "export").load_from_string(lowering.graph)
    names, counts = layers(model), multiply_adds(model)
    if not names:  # a stage that only looks up or moves values
        return whole or lowered(())
    costs, errors = _costs(model, counts), dict[str, float]()
    for name in names:
        if len(errors) == 1 and (switched := precision.switched(lowering)) is not None:
            # The first layer has shown that the runtime takes such graphs.
            errors |= dict(zip(names, errors_of(switched, len(names)) or (), strict=False))
        if len(errors) == len(names) > 1:
            break
        alone = precision.lower(replace(lowering, fp32_layers=frozenset(names) - {name}))
        errors[name] = error(alone)
        if whole is None and math.isinf(errors[name]):
            # The verdict says whether this machine can run such graphs, and how far they may be optimised.
            if (whole := lowered(())).verdict is None:
                return whole
            errors[name] = error(alone)
    # The sort is stable: equal layers keep the order of the graph, so two searches give the same result.
    order = sorted(names, key=lambda name: -errors[name] / max(costs[name], 1.0))
    most = _most(order, counts)
    start = knee(order[: most + 1], errors, costs) if precision.calibrated else 1
    if start == 0:
        whole = whole or lowered(())
        if whole.verdict is None or whole.verdict.status == "passed":
            return whole
    return _first_passing(lowered, order, max(start, 1), most) or whole or lowered(())


def _left_out(graph: bytes, fp32_layers: Sequence[str]) -> list[str]:
    """Further layers that another quantizer has left in FP32, by rules of its own."""
    found = precisions_of(require("onnx", "export").load_from_string(graph))
    return [name for name, lower in found.items() if lower == "fp32" and name not in fp32_layers]


def knee(order: Sequence[str], errors: Mapping[str, float], costs: Mapping[str, float]) -> int:
    """How many layers stay in FP32.

    Args:
        order: the layers that may, the first to do so first; one of them is lowered in any case.
        errors: squared error of the pictures by each layer, in squared grey levels; errors of layers add up.
        costs: multiply-adds of each layer, and of all others.

    Returns:
        The number of layers at which decibels gained, less what the time for them costs, are most.
    """
    whole = max(sum(costs.values()), 1.0)

    def seconds(number: int) -> float:
        lowered = sum(costs[name] for name in set(errors) - set(order[:number])) / whole
        return 1 - lowered * (1 - 1 / _GAIN)

    def decibels(number: int) -> float:
        return -10 * math.log10(
            _UNSEEN + sum(errors[name] for name in sorted(set(errors) - set(order[:number])))
        )

    def worth(number: int) -> float:
        slower = 100 * (seconds(number) / seconds(0) - 1)
        return decibels(number) - _DB_PER_PERCENT * slower

    return max(range(len(order)), key=worth)


def _costs(model: onnx.ModelProto, counts: Mapping[str, int]) -> dict[str, float]:
    """The multiply-adds of each layer as a processor does them, many outputs at once: with few it does more."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    costs = {name: float(count) for name, count in counts.items()}
    for node in model.graph.node:
        weight = shapes.get(node.input[1]) if len(node.input) > 1 else None
        if node.name in costs and weight:
            axis = {"Conv": 0, "ConvTranspose": 1}.get(node.op_type, -1)
            costs[node.name] *= -(-weight[axis] // _VECTOR) * _VECTOR / weight[axis]
    return costs


def _most(order: Sequence[str], counts: Mapping[str, int]) -> int:
    """Most layers in FP32 that leave the precision its least share of the arithmetic, and one layer."""
    whole = sum(counts.values())
    enough = [
        number
        for number in range(len(order))
        if sum(counts[name] for name in order[number:]) >= LEAST_SHARE * whole
    ]
    return max(enough, default=0)


def _first_passing(
    lowered: Callable[[Sequence[str]], Lowered], order: Sequence[str], start: int, most: int
) -> Lowered | None:
    """The graph with the fewest layers in FP32 that passes, at least `start` of them.

    A binary search; it assumes that the error falls with every layer in FP32.
    """
    best: Lowered | None = None
    low, high, middle = start, most, start
    while low <= high:
        tried = lowered(order[:middle])
        if tried.verdict is not None and tried.verdict.status == "passed":
            best, high = tried, middle - 1
        else:
            low = middle + 1
        middle = (low + high) // 2
    return best
