"""Run -> bundle: graph, engines, probes, verdicts and report, all of them or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import (
    PROBES_NAME,
    REPORT_NAME,
    TOKENIZER_NAME,
    Bundle,
    BundleWriter,
    FileRecord,
    Probes,
    Variant,
    Verdict,
    create_bundle,
)
from ..errors import BundleError, UsageError
from ..extras import require
from ..files import locked
from ..runners.torch import Runner as TorchRunner
from .engines import EngineOptions
from .engines.variants import add_engine
from .gate import judge, replay
from .graph import export_graph
from .pipeline import Pipeline
from .probes import PROBE_COUNT, make_probes
from .report import render_report
from .request import RUNTIMES, Request, environment_of, resolve
from .source import Source, open_source

if TYPE_CHECKING:
    from torch import nn

__all__ = ["BATCHES", "RUNTIMES", "Progress", "export"]

BATCHES = (1, 8, 64)
"""Smallest, preferred and largest batch that an engine is built for and a server forms."""

REPLAY_BATCHES = (PROBE_COUNT, 1, 7)
"""The gate replays the probes together, alone, and in uneven parts."""

Progress = Callable[[str, float], None]
"""Called with the step under way and the share of it that is done, 0 to 1."""


@dataclass(frozen=True)
class _Job:
    """Everything that an export is made from."""

    request: Request
    source: Source
    environment: dict[str, str]
    progress: Progress


def export(
    source: Path | str | nn.Module | Callable[[], nn.Module],
    *,
    to: Path | str,
    signature: Path | str | Mapping[str, Any] | None = None,
    weights: Path | str | None = None,
    precisions: Sequence[str] = ("fp32",),
    runtimes: Sequence[str] = ("onnxruntime",),
    targets: Sequence[str] = (),
    input: str | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """Export a generator, replay the probes through every variant that runs here, and write the bundle.

    A bundle at `to` that was made from the same weights, for the same request and by the same versions is kept.

    Args:
        source: a run's directory; or, with a signature, a module of the user's own, a callable that gives it, or the
            name of one as "package.module:name", whose import runs the user's code.
        to: the bundle's directory; its name becomes the bundle's.
        signature: of a user's own module: a YAML or JSON file, or what it would hold (docs/bring-your-own-model.md).
        weights: of a user's own module: a `.safetensors` file, or a `.pt`, `.pth` or `.bin` of plain weights.
        precisions: any of `GATES`.
        runtimes: any of `RUNTIMES`; the portable ONNX graph is always made.
        targets: for engines, any of `TARGETS`; required with an engine runtime.
        input: "seed", "latent" for a graph that takes the raw latent, or "image" for one that makes pictures from
            pictures, as far as the family has it; by default what the family takes first.
        progress: told what is being done.

    Raises:
        UsageError: the request names something unknown or that the family has not, or engines without a target.
        CheckpointError: the snapshot or the weights cannot be used.
        ExportError: a graph or an engine could not be made.
    """
    for package in ("torch", "onnx", "onnxscript"):
        require(package, "export")
    destination = Path(to)
    request = resolve(destination.name, precisions, runtimes, targets)
    opened = open_source(source, input=input, signature=signature, weights=weights)
    environment = environment_of(request, tokenizer=opened.pipeline.tokenizer is not None)
    job = _Job(request, opened, environment, progress or (lambda step, share: None))
    try:
        with locked(destination.parent / f".{destination.name}.lock"):
            if (kept := _existing(destination, job)) is not None:
                return kept
            _refuse_foreign(destination)
            with create_bundle(destination) as writer:
                _fill(writer, job)
    except BlockingIOError:
        raise UsageError(
            f"another process is exporting to {destination}; wait for it, or give another --to"
        ) from None
    return Bundle.load(destination)


def _existing(destination: Path, job: _Job) -> Bundle | None:
    source = job.source
    if not source.settled:
        return None
    try:
        bundle = Bundle.load(destination)
    except BundleError:
        return None
    manifest, tokenizer = bundle.manifest, source.pipeline.tokenizer
    wanted = {file for stage in source.pipeline.stages for *_, file in job.request.files(stage)}
    same = (
        {variant.file for variant in manifest.variants} == wanted
        and manifest.checkpoint_sha256 == source.weights_sha256
        and manifest.environment == job.environment
        and manifest.signature == source.pipeline.signature
        and manifest.stages == source.pipeline.described
        and manifest.files.get(TOKENIZER_NAME) == (tokenizer and FileRecord.of(tokenizer.encode()))
    )
    return bundle if same else None


def _refuse_foreign(destination: Path) -> None:
    # Replacing is for what an export made; somebody's other folder of that name is left alone.
    if destination.exists() and not (destination / "manifest.json").exists() and any(destination.iterdir()):
        raise UsageError(f"{destination} is not empty and is no bundle; give another --to")


def _fill(writer: BundleWriter, job: _Job) -> None:
    source, pipeline = job.source, job.source.pipeline
    job.progress("making the probes", 0.0)
    probes = make_probes(TorchRunner(pipeline.picture))
    writer.add(PROBES_NAME, probes.to_bytes())
    if pipeline.tokenizer is not None:
        writer.add(TOKENIZER_NAME, pipeline.tokenizer.encode())
    graphs = _graphs(job)
    job.progress("replaying the probes", 0.0)
    verdict, replayed = _prove(pipeline, graphs, probes)
    variants = tuple(_variants(writer, job, graphs, verdict))
    provenance = {
        "family": source.family,
        "preset": source.preset or "–",
        "checkpoint": source.weights_sha256,
        **job.environment,
    }
    page = render_report(
        job.request.name, variants, writer.files, probes.images, {variants[0].file: replayed}, provenance
    )
    writer.add(REPORT_NAME, page.encode())
    writer.finish(
        name=job.request.name,
        family=source.family,
        preset=source.preset,
        licence=source.licence,
        signature=pipeline.signature,
        stages=pipeline.described,
        sampler=pipeline.sampler,
        variants=variants,
        checkpoint_sha256=source.weights_sha256,
        environment=job.environment,
    )


def _graphs(job: _Job) -> dict[str, bytes]:
    """Stage -> content of its graph in FP32."""
    metadata = {
        "litho.checkpoint_sha256": job.source.weights_sha256,
        "litho.family": job.source.family,
        "litho.licence": job.source.licence or "unknown",
    }
    graphs: dict[str, bytes] = {}
    for name, (module, signature) in job.source.pipeline.stages.items():
        job.progress(f"exporting the graph of the {name}", 0.0)
        graphs[name] = export_graph(module, signature, metadata)
    return graphs


def _prove(
    pipeline: Pipeline, graphs: Mapping[str, bytes], probes: Probes
) -> tuple[Verdict, NDArray[np.uint8]]:
    """One verdict on all FP32 graphs: those of a sampler make a picture only together."""
    with pipeline.open(graphs) as runner:
        replays = [replay(runner, probes, batch) for batch in REPLAY_BATCHES]
    return judge(replays, probes.images, "fp32"), replays[0]


def _variants(
    writer: BundleWriter, job: _Job, graphs: Mapping[str, bytes], proven: Verdict
) -> Iterator[Variant]:
    for stage, (_, signature) in job.source.pipeline.stages.items():
        for precision, runtime, target, file in job.request.files(stage):
            if target is not None:
                yield add_engine(
                    writer,
                    graphs[stage],
                    signature,
                    stage=stage,
                    precision=precision,
                    runtime=runtime,
                    target=target,
                    options=EngineOptions(profiles=(BATCHES,)),
                    progress=job.progress,
                )
                continue
            writer.add(file, graphs[stage])
            yield Variant(
                name=Path(file).name,
                stage=stage,
                precision=precision,
                runtime=runtime,
                target=target,
                file=file,
                batches=BATCHES,
                verdict=proven,
            )
