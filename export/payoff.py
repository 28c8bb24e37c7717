"""Whether a lowered graph pays, measured in turns on this machine: slower than FP32 it is not offered.

Only for runtimes that run here, and only in timed exports: without timing, two exports hold the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ..errors import LithoError
from ..parity.replay import Open
from ..runners._graph_options import INFERENCE_PRECISION, graph_options, with_graph_option
from ..runners.base import runner_class
from .passes import apply_passes
from .precisions import precision
from .timing import BATCHES, ratio_in_turns
from .validation.proof import Proof
from .variant_spec import ExportedVariant

__all__ = ["paid", "speed"]

_SECONDS = 0.7
"""Time for each pair at each batch."""

_WORTH = 1.02
"""Least gain in speed for which FP32 layers are computed in something else."""


def paid(made: ExportedVariant, proof: Proof, fp32: bytes) -> ExportedVariant:
    """A variant that passed its gate, with the runtime's best option; not offered if it is slower than FP32.

    Args:
        made: the variant.
        proof: judged it.
        fp32: the stage's graph in FP32, without the passes that runtimes need.
    """
    if made.graph is None or made.variant.verdict.status != "passed":
        return made
    stage, runtime = made.variant.stage, made.variant.runtime
    batches = [batch for batch in BATCHES if batch <= made.variant.batches[2]]
    unlowered, _ = apply_passes(fp32, runner_class(runtime).passes)
    try:
        for choice in runner_class(runtime).inference_precisions:
            made = _better(made, proof, choice, batches)
        assert made.graph is not None, "a variant of a graph has one"
        gain = speed(
            partial(proof.open, stage, made.graph, runtime),
            partial(proof.open, stage, unlowered, runtime),
            batches,
        )
    except LithoError:
        return made  # what cannot be timed is reported where all variants are timed
    if gain >= 1:
        return made
    reason = f"slower than fp32: {gain:.2f} times its images/s in {runner_class(runtime).title}"
    verdict = made.variant.verdict.model_copy(update={"status": "not_offered", "reason": reason})
    return replace(made, variant=made.variant.model_copy(update={"verdict": verdict}))


def _better(made: ExportedVariant, proof: Proof, choice: str, batches: Sequence[int]) -> ExportedVariant:
    """The variant with its FP32 layers computed in `choice`, if that is faster and keeps the gate."""
    variant, graph = made.variant, made.graph
    assert graph is not None, "a variant of a graph has one"
    other = with_graph_option(graph, INFERENCE_PRECISION, choice)
    faster, plain = (partial(proof.open, variant.stage, one, variant.runtime) for one in (other, graph))
    if speed(faster, plain, batches) < _WORTH:
        return made
    outcome = proof.judge(variant.stage, other, variant.runtime, precision(variant.precision))
    if outcome.verdict.status != "passed":
        return made
    changed = variant.model_copy(update={"verdict": outcome.verdict, "options": graph_options(outcome.graph)})
    return replace(made, variant=changed, graph=outcome.graph, pictures=outcome.pictures)


def speed(first: Open, second: Open, batches: Sequence[int] = BATCHES) -> float:
    """Speed of the first over that of the second: the geometric mean over the batches."""
    ratios = [ratio_in_turns(second, first, batch, _SECONDS)[0] for batch in batches]
    return math.exp(sum(map(math.log, ratios)) / len(ratios))
