"""The lowest precision whose pictures pass: layers are raised to FP32, the most harmful first, until they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..bundle.manifest import Verdict
from ..extras import require
from .precisions import Inputs, Lowering, Precision, layers

__all__ = ["Lowered", "search"]


@dataclass(frozen=True)
class Lowered:
    """A graph in a precision.

    Args:
        graph: content of its ONNX file.
        kept: layers that had to stay in FP32, the most harmful first.
        verdict: on its pictures; None where nothing here runs it.
    """

    graph: bytes
    kept: tuple[str, ...]
    verdict: Verdict | None


def search(
    precision: Precision,
    graph: bytes,
    calibration: Sequence[Inputs],
    judge: Callable[[bytes], Verdict | None],
    damage: Callable[[bytes], float],
) -> Lowered:
    """Lower every layer; where that fails, the fewest of the most harmful layers stay as they are.

    A layer's harm is what its pictures lose when it alone is lowered. That more layers in FP32 do no more harm is
    taken for granted, so that the number of them is found by halving; what is returned has been judged itself.

    Args:
        precision: that is wanted.
        graph: content of the ONNX file in FP32, rewritten as the precision needs it.
        calibration: inputs of the graph.
        judge: verdict on a graph; None where nothing here runs it.
        damage: mean squared error of a graph's pictures.

    Returns:
        The graph with as few layers kept as pass; with none kept where nothing passes.
    """

    def lowered(kept: Sequence[str]) -> Lowered:
        made = precision.lower(Lowering(graph, frozenset(kept), calibration))
        return Lowered(made, tuple(kept), judge(made))

    whole = lowered(())
    if whole.verdict is None or whole.verdict.status == "passed" or precision.element == "FLOAT":
        return whole
    names = layers(require("onnx", "export").load_from_string(graph))
    harm = {
        name: damage(precision.lower(Lowering(graph, frozenset(names) - {name}, calibration)))
        for name in names
    }
    # Equal harm is put in the order of the graph, so that two searches find the same.
    worst = sorted(names, key=lambda name: -harm[name])
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
