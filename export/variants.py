"""Every variant of one stage: rewritten, lowered, adapted to its runtime, proven and written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ..bundle import BundleWriter
from ..bundle.manifest import Variant, Verdict
from ..errors import ExportError
from ..extras import require
from ..runners.base import runner_class
from ..signature import Signature
from .engines import EngineOptions
from .engines.variants import add_engine
from .passes import apply_passes, default_passes
from .precisions import Inputs, Precision, elements, layers, precision
from .request import Request
from .search import Lowered, search
from .validation.proof import Proof

__all__ = ["BATCHES", "ExportedVariant", "make_variants", "misnamed"]

BATCHES = (1, 8, 64)
"""Smallest, preferred and largest batch that an engine is built for and a server forms."""


@dataclass(frozen=True)
class ExportedVariant:
    """A variant, and what is known of it beyond its manifest entry.

    Args:
        variant: as the manifest lists it.
        graph: what its runtime was given; None of an engine.
        pictures: that it made of the probes; None where it made none.
    """

    variant: Variant
    graph: bytes | None = None
    pictures: NDArray[np.uint8] | None = None


def make_variants(
    writer: BundleWriter,
    request: Request,
    proof: Proof,
    stage: str,
    graph: bytes,
    signature: Signature,
    calibration: Callable[[], Sequence[Inputs]],
    progress: Callable[[str, float], None],
) -> Iterator[ExportedVariant]:
    """Make the variants of one stage that a request names, in its order.

    Args:
        writer: of the bundle.
        request: what is wanted.
        proof: judges graphs of the generator.
        stage: name of the stage.
        graph: its FP32 graph, as it was exported.
        signature: of the stage.
        calibration: gives the stage's inputs; called only where a precision needs them.
        progress: told what is being done.
    """
    wanted: dict[str, list[tuple[str, str | None, str]]] = {}
    for name, runtime, target, file in request.files(stage):
        wanted.setdefault(name, []).append((runtime, target, file))
    for name, files in wanted.items():
        progress(f"lowering the {stage} to {name}", 0.0)
        lower = precision(name)
        rewritten, passes = apply_passes(graph, {*default_passes(), *lower.passes} - set(request.without))
        inputs = calibration() if lower.calibrated else ()
        lowered = _lowered(lower, rewritten, inputs, proof, stage, request.portable)
        count = len(layers(require("onnx", "export").load_from_string(rewritten)))
        for runtime, target, file in files:
            progress(f"proving {PurePosixPath(file).name}", 0.0)
            if target is None:
                made = _portable(writer, proof, stage, lower, lowered, runtime, file)
            else:
                made = ExportedVariant(
                    _engine(writer, signature, stage, lower, lowered, runtime, target, file, progress)
                )
            noted = {
                "passes": {**passes, **made.variant.passes},
                "fp32_layers": lowered.fp32_layers,
                "layers": count,
            }
            yield ExportedVariant(made.variant.model_copy(update=noted), made.graph, made.pictures)


def _engine(
    writer: BundleWriter,
    signature: Signature,
    stage: str,
    lower: Precision,
    lowered: Lowered,
    runtime: str,
    target: str,
    file: str,
    progress: Callable[[str, float], None],
) -> Variant:
    try:
        return add_engine(
            writer,
            lowered.graph,
            signature,
            stage=stage,
            precision=lower.name,
            runtime=runtime,
            target=target,
            options=EngineOptions(profiles=(BATCHES,)),
            fp32_layers=lowered.fp32_layers,
            progress=progress,
        )
    except ExportError as error:
        # One GPU that cannot have it is no reason to go without all else.
        writer.add(f"{file}.log", f"{error}\n".encode())
        verdict = Verdict(status="failed", reason=str(error))
        return Variant(
            name=PurePosixPath(file).name,
            stage=stage,
            precision=lower.name,
            runtime=runtime,
            target=target,
            file=f"{file}.log",
            batches=BATCHES,
            verdict=verdict,
        )


def _portable(
    writer: BundleWriter,
    proof: Proof,
    stage: str,
    lower: Precision,
    lowered: Lowered,
    runtime: str,
    file: str,
) -> ExportedVariant:
    graph, passes = apply_passes(lowered.graph, runner_class(runtime).passes)
    outcome = proof.judge(stage, graph, runtime, lower)
    verdict = outcome.verdict
    if verdict.status == "passed" and (complaint := misnamed(graph, lower, lowered.fp32_layers)) is not None:
        verdict = verdict.model_copy(update={"status": "failed", "reason": complaint})
    writer.add(file, graph)
    variant = Variant(
        name=PurePosixPath(file).name,
        stage=stage,
        precision=lower.name,
        runtime=runtime,
        file=file,
        batches=BATCHES,
        verdict=verdict,
        passes=passes,
    )
    return ExportedVariant(variant, graph, outcome.pictures)


def misnamed(graph: bytes, lower: Precision, fp32_layers: Sequence[str]) -> str | None:
    """What is wrong with a graph whose layers are not in the precision that it is named after; None of a right one.

    Args:
        graph: content of the ONNX file.
        lower: the precision.
        fp32_layers: layers that are meant to be in FP32.
    """
    found = elements(require("onnx", "export").load_from_string(graph))
    wrong = [name for name, element in found.items() if element != lower.element and name not in fp32_layers]
    if not wrong:
        return None
    return (
        f"asked for {lower.name}, but {len(wrong)} of {len(found)} layers are in {found[wrong[0]].lower()}:"
        f" {', '.join(wrong[:3])}{', ...' if len(wrong) > 3 else ''}"
    )


def _lowered(
    lower: Precision,
    graph: bytes,
    calibration: Sequence[Inputs],
    proof: Proof,
    stage: str,
    runtimes: Sequence[str],
) -> Lowered:
    """Search in the first runtime that runs the precision here."""

    def judge(made: bytes) -> Verdict | None:
        for runtime in runtimes:
            graph, _ = apply_passes(made, runner_class(runtime).passes)
            verdict = proof.judge(stage, graph, runtime, lower).verdict
            if verdict.status != "not_run":
                return verdict
        return None

    def error(made: bytes) -> float:
        adapted = {name: apply_passes(made, runner_class(name).passes)[0] for name in runtimes}
        return min(proof.squared_error(stage, graph, name) for name, graph in adapted.items())

    return search(lower, graph, calibration, judge, error)
