"""The gain of each graph pass: the FP32 graph with it and without it, timed in turns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial

from ...bundle.manifest import Gain
from ...errors import LithoError
from ..passes import apply_passes, default_passes
from ..pipeline import Pipeline
from ..timing import ratio_in_turns

__all__ = ["BATCH", "measure_gains"]

BATCH = 8
"""Pictures per batch."""

SECONDS = 2.0
"""Longest measurement of one pass."""


def measure_gains(
    pipeline: Pipeline,
    graphs: Mapping[str, bytes],
    without: Collection[str],
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Gain, ...]:
    """Time FP32 in ONNX Runtime with and without every pass that changes a graph.

    Args:
        pipeline: of the generator.
        graphs: stage -> its graph as exported.
        without: passes to leave out.
        progress: receives the share that is done, 0 to 1.
    """
    names = set(default_passes()) - set(without)
    pairs = []
    for stage, graph in graphs.items():
        rewritten, changed = apply_passes(graph, names)
        pairs += [(stage, name, apply_passes(graph, names - {name})[0], rewritten) for name in changed]
    gains = []
    for index, (stage, name, before, after) in enumerate(pairs):
        progress(index / len(pairs))
        plain, better = (partial(pipeline.open, {**graphs, stage: graph}) for graph in (before, after))
        # A graph that the bundle does not hold may fail: its pass then has no gain to report.
        with suppress(LithoError):
            ratio, lower, upper = ratio_in_turns(plain, better, BATCH, SECONDS)
            gains.append(Gain(stage=stage, name=name, ratio=ratio, lower=lower, upper=upper))
    return tuple(gains)
