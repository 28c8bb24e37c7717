"""Make the variants of one stage: apply passes, lower the precision, adapt to the runtime, prove and write."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

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
from .external_data import add_graph
from .naming import Naming, check_name, precisions_of
from .passes import apply_passes, default_passes
from .payoff import paid
from .precisions import Inputs, Lowering, Precision, layers, precision
from .request import Request
from .search import Lowered, search
from .validation.proof import Proof
from .variant_spec import ExportedVariant, VariantSpec

__all__ = ["ExportedVariant", "StageGraph", "make_variants", "misnamed"]


@dataclass(frozen=True)
class StageGraph:
    """A stage to export.

    Args:
        name: of the stage.
        signature: of the stage.
        graph: its FP32 graph as it was exported, the content of an ONNX file.
        calibration: gives inputs of the stage, batch by batch; called only if a precision needs calibration.
        seen: `Lowering.seen` of each graph that is lowered: runtimes may get the same.
    """

    name: str
    signature: Signature
    graph: bytes
    calibration: Callable[[], Sequence[Inputs]]
    seen: dict[bytes, dict[Any, Any]] = field(default_factory=dict, compare=False)


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
        lowered: dict[str, Lowered] = {}
        for runtimes in _alike(precision(name), request.graph_runtimes):
            lowered |= dict.fromkeys(
                runtimes, _lower(request, proof, stage, precision(name), runtimes, progress)
            )
        grade = proof.limits(precision(name)).grade
        for spec in specs:
            progress(f"proving {spec.name}", 0.0)
            if spec.target is None:
                made = _portable(writer, proof, spec, lowered[spec.runtime])
                if request.timed and precision(name).must_pay:
                    fp32, _ = apply_passes(stage.graph, set(default_passes()) - set(request.without))
                    made = paid(made, proof, fp32)
                    add_graph(writer, spec.file, made.graph or b"")
            else:
                # Engines are built from the portable graph, here and by `litho build-engine`.
                made = ExportedVariant(
                    _engine(writer, proof, stage.signature, spec, lowered["onnxruntime"], progress)
                )
            yield replace(made, variant=made.variant.model_copy(update={"grade": grade}))


def _alike(lower: Precision, runtimes: Sequence[str]) -> list[list[str]]:
    """Runtimes that get the same graph, but for the passes that each needs."""
    found: list[list[str]] = []
    for runtime in runtimes:
        integers = runner_class(runtime).integers
        for group in found:
            if lower.element != "INT8" or runner_class(group[0]).integers == integers:
                group.append(runtime)
                break
        else:
            found.append([runtime])
    return found


def _lower(
    request: Request,
    proof: Proof,
    stage: StageGraph,
    lower: Precision,
    runtimes: Sequence[str],
    progress: Progress,
) -> Lowered:
    """The stage's graph in a precision, judged in the first of the runtimes that can run it here."""
    integers = runner_class(runtimes[0]).integers
    own = {integers.passes.get(name, name) if lower.element == "INT8" else name for name in lower.passes}
    graph, passes = apply_passes(stage.graph, {*default_passes(), *own} - set(request.without))
    adapters = {runtime: runner_class(runtime).passes for runtime in runtimes}
    count, measured = len(layers(require("onnx", "export").load_from_string(graph))), 0
    work = f"lowering the {stage.name} to {lower.name} for {', '.join(runtimes)}"
    progress(work, 0.0)

    def judge(made: bytes) -> Verdict | None:
        progress(work, 0.0)
        for runtime, needed in adapters.items():
            verdict = proof.judge(stage.name, apply_passes(made, needed)[0], runtime, lower).verdict
            if verdict.status != "not_run":
                return verdict
        return None

    def error(made: bytes) -> float:
        nonlocal measured
        progress(f"{work}, each layer by itself", measured / count)
        measured += 1
        return min(
            proof.squared_error(stage.name, apply_passes(made, needed, draft=True)[0], runtime)
            for runtime, needed in adapters.items()
        )

    def errors_of(switched: bytes, layer_count: int) -> Sequence[float] | None:
        numbers = iter(range(layer_count))
        return proof.squared_errors(
            stage.name,
            switched,
            layer_count,
            lambda: progress(f"{work}, each layer by itself", next(numbers) / count),
        )

    calibration = stage.calibration() if lower.calibrated else ()
    seen = stage.seen.setdefault(graph, {})
    lowering = Lowering(graph, frozenset(), calibration, integers, request.quantizer, seen)
    found = search(lower, lowering, judge, error, errors_of)
    return replace(found, passes=passes, layers=count)


def _portable(writer: BundleWriter, proof: Proof, spec: VariantSpec, lowered: Lowered) -> ExportedVariant:
    graph, passes = apply_passes(lowered.graph, runner_class(spec.runtime).passes)
    lowered, lower = replace(lowered, passes={**lowered.passes, **passes}), precision(spec.precision)
    outcome = proof.judge(spec.stage, graph, spec.runtime, lower)
    verdict, graph = outcome.verdict, outcome.graph
    named = misnamed(graph, lower, lowered.fp32_layers)
    if verdict.status != "failed" and named.complaint:
        verdict = verdict.model_copy(update={"status": "failed", "reason": named.complaint})
    add_graph(writer, spec.file, graph)
    facts = {**lowered.facts, "options": graph_options(graph), "lowered_share": named.share}
    return ExportedVariant(spec.variant(verdict, batches=proof.batches, **facts), graph, outcome.pictures)


def _engine(
    writer: BundleWriter,
    proof: Proof,
    signature: Signature,
    spec: VariantSpec,
    lowered: Lowered,
    progress: Progress,
) -> Variant:
    try:
        return add_engine(writer, spec, lowered, signature, EngineOptions((proof.batches,)), progress)
    except ExportError as error:
        # If one GPU cannot have the engine, the other variants are still of use.
        log = f"{spec.file}.log"
        writer.add(log, f"{error}\n".encode())
        verdict = Verdict(status="failed", reason=str(error))
        return spec.variant(verdict, file=log, batches=proof.batches, **lowered.facts)


def misnamed(graph: bytes, lower: Precision, fp32_layers: Collection[str]) -> Naming:
    """Compare the precision of a graph's layers with the precision in its name.

    Args:
        graph: content of the ONNX file.
        lower: the precision in its name.
        fp32_layers: layers that may be in FP32.
    """
    model = require("onnx", "export").load_from_string(graph)
    return check_name(model, precisions_of(model), lower.name, fp32_layers)
