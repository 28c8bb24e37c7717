"""Mixed precision: keep as few layers in FP32 as the gate allows, the most sensitive first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..bundle.manifest import Verdict
from ..extras import require
from .precisions import Inputs, Lowering, Precision, layers

__all__ = ["Lowered", "search"]


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
    graph: bytes,
    calibration: Sequence[Inputs],
    judge: Callable[[bytes], Verdict | None],
    error: Callable[[bytes], float],
) -> Lowered:
    """Lower all layers; if the pictures fail the gate, return the most sensitive layers to FP32 until they pass.

    The sensitivity of a layer is the error of the pictures when only that layer is lowered. A binary search finds the
    number of layers; it assumes that the error falls with every layer in FP32. The graph it returns was judged itself.

    Args:
        precision: the precision to lower to.
        graph: content of the FP32 ONNX file, after the precision's passes.
        calibration: inputs of the graph.
        judge: gives the verdict on a graph; None if no runtime on this machine can run it.
        error: gives the mean squared error of a graph's pictures.

    Returns:
        The graph with the fewest layers in FP32 that passes; the fully lowered graph if none passes.
    """

    def lowered(fp32_layers: Sequence[str]) -> Lowered:
        made = precision.lower(Lowering(graph, frozenset(fp32_layers), calibration))
        return Lowered(made, tuple(fp32_layers), judge(made))

    whole = lowered(())
    if whole.verdict is None or whole.verdict.status == "passed" or precision.element == "FLOAT":
        return whole
    names = layers(require("onnx", "export").load_from_string(graph))
    sensitivity = {
        name: error(precision.lower(Lowering(graph, frozenset(names) - {name}, calibration)))
        for name in names
    }
    # The sort is stable: equal layers keep the order of the graph, so two searches give the same result.
    worst = sorted(names, key=lambda name: -sensitivity[name])
    best: Lowered | None = None
    low, high = 1, len(worst) - 1
    while low <= high:
        middle = (low + high) // 2
        tried = lowered(worst[:middle])
        if tried.verdict is not None and tried.verdict.status == "passed":
            best, high = tried, middle - 1
        else:
            low = middle + 1
    return best or whole
