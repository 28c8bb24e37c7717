"""Engines as variants of a bundle: built here, or left to a script for the machine that can build them."""

from __future__ import annotations

import time
from dataclasses import replace

from ...bundle import BundleWriter
from ...bundle.external_graph import ExternalGraph
from ...bundle.manifest import Variant, Verdict
from ...errors import DeviceError, ExportError, MissingExtra
from ...reporting.progress import Progress, quiet
from ...runners.base import library_of, runner_class
from ...signature import Signature
from ..passes import apply_passes
from ..search import Lowered
from ..variant_spec import SCRIPT, UNBUILT, VariantSpec
from .build import build_engine, present_device
from .options import EngineOptions
from .readback import check_precisions

__all__ = ["add_engine", "own_target"]

_SCRIPT_TEXT = """#!/bin/sh
# Builds and proves the missing engines of this bundle on the machine with the GPU.
if ! command -v litho > /dev/null; then
    echo "litho is not installed here; get it with: pip install 'litho[{extra}]'" >&2
    exit 1
fi
exec litho build-engine "$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")" --runtime {runtime} "$@"
"""


def own_target(runtime: str) -> str:
    """The target of this machine's GPU, for a library that builds for that GPU only; `UNBUILT` without one."""
    try:
        return present_device(runtime).target
    except (MissingExtra, DeviceError):
        return UNBUILT


def add_engine(
    writer: BundleWriter,
    spec: VariantSpec,
    lowered: Lowered,
    signature: Signature,
    options: EngineOptions,
    progress: Progress = quiet,
) -> Variant:
    """Build one engine into a bundle, with the builder's messages, the engine's layers and its timing cache beside it.

    Args:
        writer: of the bundle.
        spec: of the engine; for the target `UNBUILT` the script that builds it elsewhere is written instead.
        lowered: the stage's ONNX graph in that precision.
        signature: of the stage.
        options: of the builder.
        progress: called with the builder's phase and the share of it that is done, 0 to 1.

    Returns:
        The variant: failed if the engine computes in another precision than its name says, otherwise not run.

    Raises:
        LithoError: the weights of the graph lie beside it; see also `build_engine`.
    """
    if isinstance(lowered.graph, ExternalGraph):
        raise ExportError(
            f"{library_of(spec.runtime).title} builds no engine from a graph with its weights beside it; export a"
            " smaller part of the generator"
        )
    graph, passes = apply_passes(lowered.graph, runner_class(spec.runtime).passes)
    lowered = replace(lowered, graph=graph, passes={**lowered.passes, **passes})
    facts = {"batches": options.batches, **lowered.facts}
    if spec.target is None or spec.target == UNBUILT:
        script = _SCRIPT_TEXT.format(runtime=spec.runtime, extra=library_of(spec.runtime).extra)
        writer.add(spec.file, script.encode())
        try:
            present_device(spec.runtime)
            why = "it was not built; on the machine with the GPU"
        except (MissingExtra, DeviceError) as error:
            why = f"{error}; then, on the machine with the GPU"
        return spec.variant(Verdict(status="not_run", reason=f"{why}: sh {SCRIPT}"), **facts)
    start = time.perf_counter()
    built = build_engine(
        lowered.graph, signature, spec.target, options, runtime=spec.runtime, progress=progress
    )
    seconds = round(time.perf_counter() - start, 2)
    writer.add(spec.file, built.engine)
    if options.strip_weights and passes:  # the runner reads the weights from the very graph
        writer.add(f"{spec.file}.onnx", graph)
    writer.add(f"{spec.file}.log", built.log.encode())
    writer.add(f"{spec.file}.layers.json", built.read.to_json().encode())
    if built.timing_cache is not None:
        writer.add(f"{spec.file}.timing", built.timing_cache)
    named = check_precisions(built.read, lowered.graph, spec.precision, lowered.fp32_layers)
    verdict = (
        Verdict(status="failed", reason=named.complaint)
        if named.complaint
        else Verdict(status="not_run", reason=f"the proof needs an NVIDIA GPU of {spec.target}")
    )
    record = built.record.model_copy(
        update={"fp32_layers": tuple(sorted(lowered.fp32_layers)), "build_seconds": seconds}
    )
    return spec.variant(verdict, engine=record, lowered_share=named.share, **facts)
