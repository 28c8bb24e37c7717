"""Engines as variants of a bundle: built, read back and written, or left to the machine that can build them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import PurePosixPath

from ...bundle import BundleWriter
from ...bundle.manifest import Variant, Verdict
from ...errors import DeviceError, MissingExtra
from ...runners.base import library_of
from ...signature import Signature
from .build import build_engine, present_device
from .options import EngineOptions
from .readback import check_precisions

__all__ = ["SCRIPT", "UNBUILT", "add_engine", "engine_file", "own_target"]

UNBUILT = "unbuilt"
"""Stands for the target of an engine that has to be built on another machine."""

SCRIPT = "engines/build-engine.sh"
"""File of a bundle that builds, on the machine that it is started on, what could not be built at export."""

_SCRIPT_TEXT = """#!/bin/sh
# Builds the engines that this bundle waits for, on the machine with the GPU, and proves them there.
if ! command -v litho > /dev/null; then
    echo "litho is not installed here; get it with: pip install 'litho[{extra}]'" >&2
    exit 1
fi
exec litho build-engine "$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")" --runtime {runtime} "$@"
"""


def own_target(runtime: str) -> str:
    """The target that a library which builds for this machine's GPU builds for here; `UNBUILT` where it cannot."""
    try:
        return present_device(runtime).target
    except (MissingExtra, DeviceError):
        return UNBUILT


def engine_file(stage: str, precision: str, target: str, runtime: str) -> str:
    """Path of an engine inside its bundle; of one that cannot be built here, the path of the script that builds it."""
    return (
        SCRIPT if target == UNBUILT else f"engines/{stage}.{precision}.{target}.{library_of(runtime).suffix}"
    )


def add_engine(
    writer: BundleWriter,
    graph: bytes,
    signature: Signature,
    *,
    stage: str,
    precision: str,
    runtime: str,
    target: str,
    options: EngineOptions,
    fp32_layers: Collection[str] = (),
    progress: Callable[[str, float], None] | None = None,
) -> Variant:
    """Build one engine into a bundle: beside it go the library's messages, its layers, and its timing cache.

    Args:
        writer: of the bundle.
        graph: content of the stage's ONNX file in that precision.
        signature: of the stage.
        stage, precision, runtime: of the variant.
        target: compute capability; `UNBUILT` writes the script that builds the engine elsewhere.
        options: of the builder.
        fp32_layers: nodes of the graph that are meant to be more precise.
        progress: told what the builder does.

    Returns:
        The variant. It has failed where the engine computes in another precision than it is named after; else it
        is not run, and says what it needs.

    Raises:
        LithoError: as `build_engine` says.
    """
    file = engine_file(stage, precision, target, runtime)
    common = {
        "stage": stage,
        "precision": precision,
        "runtime": runtime,
        "target": target,
        "file": file,
        "batches": options.batches,
    }
    if target == UNBUILT:
        writer.add(file, _SCRIPT_TEXT.format(runtime=runtime, extra=library_of(runtime).extra).encode())
        verdict = Verdict(status="not_run", reason=_what_is_missing(runtime))
        return Variant(name=f"{stage}.{precision}.{library_of(runtime).suffix}", verdict=verdict, **common)
    built = build_engine(
        graph, signature, target, options, runtime=runtime, fp32_layers=fp32_layers, progress=progress
    )
    writer.add(file, built.engine)
    writer.add(f"{file}.log", built.log.encode())
    writer.add(f"{file}.layers.json", built.read.to_json().encode())
    if built.timing_cache is not None:
        writer.add(f"{file}.timing", built.timing_cache)
    complaint = check_precisions(built.read, precision, fp32_layers)
    verdict = (
        Verdict(status="failed", reason=complaint)
        if complaint
        else Verdict(status="not_run", reason=f"to be proven it needs an NVIDIA GPU of {target}")
    )
    return Variant(name=PurePosixPath(file).name, verdict=verdict, engine=built.record, **common)


def _what_is_missing(runtime: str) -> str:
    try:
        present_device(runtime)
    except (MissingExtra, DeviceError) as error:
        return f"{error}; then, on the machine with the GPU: sh {SCRIPT}"
    return f"it was not built; on the machine with the GPU: sh {SCRIPT}"
