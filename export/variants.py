"""Make the variants of one stage: apply passes, lower the precision, adapt to the runtime, prove and write."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ..bundle import BundleWriter
from ..bundle.manifest import Variant, Verdict
from ..errors import ExportError
from ..extras import require
from ..reporting.progress import Progress
from ..runners._graph_options import graph_options
from ..runners.base import runner_class
from ..signature import Signature
from .engines import EngineOptions
from .engines.variants import add_engine
from .naming import Naming, check_name, precisions_of
from .passes import apply_passes, default_passes
from .precisions import Inputs, Precision, layers, precision
from .request import Request
from .search import Lowered, search
from .validation.proof import Proof
from .variant_spec import VariantSpec

__all__ = ["BATCHES", "ExportedVariant", "StageGraph", "make_variants", "misnamed"]

BATCHES = (1, 8, 64)
"""Smallest, preferred and largest batch that an engine is built for and a server forms."""


@dataclass(frozen=True)
class StageGraph:
    """A stage to export.

    Args:
        name: of the stage.
        signature: of the stage.
        graph: its FP32 graph as it was exported, the content of an ONNX file.
        calibration: gives inputs of the stage, batch by batch; called only if a precision needs calibration.
    """

    name: str
    signature: Signature
    graph: bytes
    calibration: Callable[[], Sequence[Inputs]]


@dataclass(frozen=True)
class ExportedVariant:
    """A variant with what the manifest does not record.

    Args:
        variant: as the manifest lists it.
        graph: the content of its ONNX file; None of an engine.
        pictures: its pictures of the probes, UINT8 of shape (count, height, width, channels); None if it made none.
    """

    variant: Variant
    graph: bytes | None = None
    pictures: NDArray[np.uint8] | None = None


def make_variants(
    writer: BundleWriter,
    request: Request,
    proof: Proof,
    stage: StageGraph,
    progress: Progress,
) -> Iterator[ExportedVariant]:
    """Make the variants of one stage, in the order of `request.specs`.

    Args:
        writer: of the bundle.
        request: names the variants.
        proof: judges graphs of the generator.
        stage: to make them from.
        progress: called with the current step and the share of it that is done, 0 to 1.
    """
    for name, specs in groupby(request.specs(stage.name), lambda spec: spec.precision):
        progress(f"lowering the {stage.name} to {name}", 0.0)
        lowered = _lower(request, proof, stage, precision(name))
        grade = proof.limits(precision(name)).grade
        for spec in specs:
            progress(f"proving {spec.name}", 0.0)
            if spec.target is None:
                made = _portable(writer, proof, spec, lowered)
            else:
                made = ExportedVariant(_engine(writer, stage.signature, spec, lowered, progress))
            yield replace(made, variant=made.variant.model_copy(update={"grade": grade}))


def _lower(request: Request, proof: Proof, stage: StageGraph, lower: Precision) -> Lowered:
    """The stage's graph in a precision, judged in the first of the runtimes that can run it here."""
    names = {*default_passes(), *lower.passes} - set(request.without)
    graph, passes = apply_passes(stage.graph, names)
    adapters = {runtime: runner_class(runtime).passes for runtime in request.graph_runtimes}

    def judge(made: bytes) -> Verdict | None:
        for runtime, needed in adapters.items():
            verdict = proof.judge(stage.name, apply_passes(made, needed)[0], runtime, lower).verdict
            if verdict.status != "not_run":
                return verdict
        return None

    def error(made: bytes) -> float:
        return min(
            proof.squared_error(stage.name, apply_passes(made, needed)[0], runtime)
            for runtime, needed in adapters.items()
        )

    found = search(lower, graph, stage.calibration() if lower.calibrated else (), judge, error)
    return replace(
        found, passes=passes, layers=len(layers(require("onnx", "export").load_from_string(graph)))
    )


def _portable(writer: BundleWriter, proof: Proof, spec: VariantSpec, lowered: Lowered) -> ExportedVariant:
    graph, passes = apply_passes(lowered.graph, runner_class(spec.runtime).passes)
    lowered, lower = replace(lowered, passes={**lowered.passes, **passes}), precision(spec.precision)
    outcome = proof.judge(spec.stage, graph, spec.runtime, lower)
    verdict, graph = outcome.verdict, outcome.graph
    named = misnamed(graph, lower, lowered.fp32_layers)
    if verdict.status != "failed" and named.complaint:
        verdict = verdict.model_copy(update={"status": "failed", "reason": named.complaint})
    writer.add(spec.file, graph)
    facts = {**lowered.facts, "options": graph_options(graph), "lowered_share": named.share}
    return ExportedVariant(spec.variant(verdict, batches=BATCHES, **facts), graph, outcome.pictures)


def _engine(
    writer: BundleWriter,
    signature: Signature,
    spec: VariantSpec,
    lowered: Lowered,
    progress: Progress,
) -> Variant:
    try:
        return add_engine(writer, spec, lowered, signature, EngineOptions((BATCHES,)), progress)
    except ExportError as error:
        # If one GPU cannot have the engine, the other variants are still of use.
        log = f"{spec.file}.log"
        writer.add(log, f"{error}\n".encode())
        verdict = Verdict(status="failed", reason=str(error))
        return spec.variant(verdict, file=log, batches=BATCHES, **lowered.facts)


def misnamed(graph: bytes, lower: Precision, fp32_layers: Collection[str]) -> Naming:
    """Compare the precision of a graph's layers with the precision in its name.

    Args:
        graph: content of the ONNX file.
        lower: the precision in its name.
        fp32_layers: layers that may be in FP32.
    """
    model = require("onnx", "export").load_from_string(graph)
    return check_name(model, precisions_of(model), lower.name, fp32_layers)
