"""Run -> bundle: graph, engines, probes, verdicts and report, all of them or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bundle import REPORT_NAME, Bundle, BundleWriter, create_bundle
from ..bundle.manifest import TOKENIZER_NAME, Aim, FileRecord, Gain, Manifest, Variant
from ..bundle.probes import PROBES_NAME
from ..errors import BundleError, UsageError
from ..extras import require
from ..files import locked
from ..runners.torch import Runner as TorchRunner
from .calibration import calibrate, calibration_inputs
from .engines.complete import prove_engines
from .fixed_inputs import fix_input
from .graph import export_graph
from .passes import apply_passes, default_passes
from .pipeline import FreeOrSize, Pipeline
from .precisions import Inputs, precision
from .report.choice import recommend
from .report.gains import measure_gains
from .report.page import render_report
from .request import Request, environment_of, resolve
from .source import Source, open_source, size_words
from .timing import time_in_turns, timing_record, without_timing_record
from .validation.distance import SAMPLES, Distance
from .validation.make_probes import make_probes
from .validation.proof import Proof
from .variants import BATCHES, ExportedVariant, make_variants

if TYPE_CHECKING:
    from torch import nn

__all__ = ["BATCHES", "Progress", "export"]

Progress = Callable[[str, float], None]
"""Called with the step under way and the share of it that is done, 0 to 1."""

_FEW_SAMPLES = 128
"""Pictures in each set that is compared of a generator that takes many steps to a picture."""


@dataclass(frozen=True)
class _Job:
    """Everything that an export is made from.

    Args:
        request: what is wanted.
        source: the generator as it is to be, with its provenance.
        whole: the generator with all its inputs.
        environment: names and versions of what makes the bundle.
        progress: told what is being done.
    """

    request: Request
    source: Source
    whole: Pipeline
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
    without: Sequence[str] = (),
    aim: Aim = "throughput",
    timed: bool = True,
    calibration: str | None = None,
    fixed: Mapping[str, int] | None = None,
    size: FreeOrSize | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """Export a generator, replay the probes through every variant that runs here, and write the bundle.

        >>> bundle = export_model("runs/digits", to="bundles/half", precisions=["fp32", "fp16"], timed=False)
        >>> [variant.name for variant in bundle.manifest.variants]
        ['generator.fp32.onnx', 'generator.fp16.onnx']

    A bundle at `to` that was made from the same weights, for the same request and by the same versions is kept.

    Args:
        source: a run's directory; or, with a signature, a module of the user's own, a callable that gives it, or the
            name of one as "package.module:name", whose import runs the user's code.
        to: the bundle's directory; its name becomes the bundle's.
        signature: of a user's own module: a YAML or JSON file, or what it would hold (docs/bring-your-own-model.md).
        weights: of a user's own module: a `.safetensors` file, or a `.pt`, `.pth` or `.bin` of plain weights.
        precisions: any of `precisions.precision_names`.
        runtimes: any of `runners.base.runtime_names`; the portable ONNX graph is always made.
        targets: for engines, any of `TARGETS`; required with an engine runtime.
        input: "seed", "latent" for a graph that takes the raw latent, or "image" for one that makes pictures from
            pictures, as far as the family has it; by default what the family takes first.
        without: graph passes that are left out, any of `passes.pass_names`.
        aim: what the recommended variant is to be best at, one of `AIMS`.
        timed: whether variants are timed, without which none is recommended; all else of two exports of the same
            weights by the same versions is the same, byte by byte.
        calibration: data whose pictures INT8 and FP8 are calibrated with, for a generator that starts from pictures;
            by default what it was trained on.
        fixed: integer inputs, such as a label -> the value that each is fixed at; the graphs take the others.
        size: of the pictures that a generator of pictures from pictures starts from: height and width, or "free" for
            any that it can take; by default the one that it was made for.
        progress: told what is being done.

    Raises:
        UsageError: the request names something unknown or that the family has not, or engines without a target.
        CheckpointError: the snapshot or the weights cannot be used.
        ExportError: a graph or an engine could not be made.
    """
    for package in ("torch", "onnx", "onnxscript", "jinja2", "matplotlib"):
        require(package, "export")
    destination = Path(to)
    request = resolve(
        Request(
            destination.name,
            tuple(dict.fromkeys(runtimes)),
            tuple(dict.fromkeys(targets)),
            tuple(dict.fromkeys(precisions)),
            tuple(dict.fromkeys(without)),
            aim,
            timed,
            calibration,
            tuple((fixed or {}).items()),
            None if size is None else size_words(size),
        )
    )
    opened = open_source(source, input=input, signature=signature, weights=weights, size=size)
    whole = opened.pipeline
    if fixed:
        opened = replace(opened, pipeline=whole.fix(fixed))
    environment = environment_of(request, tokenizer=opened.pipeline.tokenizer is not None)
    job = _Job(request, opened, whole, environment, progress or (lambda step, share: None))
    try:
        with locked(destination.parent / f".{destination.name}.lock"):
            if (kept := _existing(destination, job)) is not None:
                return kept
            _refuse_other_folder(destination)
            with create_bundle(destination) as writer:
                _fill(writer, job)
    except BlockingIOError:
        raise UsageError(
            f"another process is exporting to {destination}; wait for it, or give another --to"
        ) from None
    return prove_engines(Bundle.load(destination), job.progress)


def _existing(destination: Path, job: _Job) -> Bundle | None:
    source = job.source
    if not source.settled:
        return None
    try:
        bundle = Bundle.load(destination)
    except BundleError:
        return None
    manifest, tokenizer = bundle.manifest, source.pipeline.tokenizer
    wanted = {(stage, *names) for stage in source.pipeline.stages for *names, _ in job.request.files(stage)}
    same = (
        {(one.stage, one.precision, one.runtime, one.target) for one in manifest.variants} == wanted
        and manifest.checkpoint_sha256 == source.weights_sha256
        and without_timing_record(manifest.environment) == job.environment
        and manifest.aim == job.request.aim
        and (bool(manifest.recommended) or not job.request.timed)
        and manifest.signature == source.pipeline.signature
        and manifest.stages == source.pipeline.described
        and manifest.files.get(TOKENIZER_NAME) == (tokenizer and FileRecord.of(tokenizer.encode()))
    )
    return bundle if same else None


def _refuse_other_folder(destination: Path) -> None:
    # Replacing is for what an export made; somebody's other folder of that name is left alone.
    if destination.exists() and not (destination / "manifest.json").exists() and any(destination.iterdir()):
        raise UsageError(f"{destination} is not empty and is no bundle; give another --to")


def _fill(writer: BundleWriter, job: _Job) -> None:
    source, pipeline = job.source, job.source.pipeline
    job.progress("making the probes", 0.0)
    reference = TorchRunner(pipeline.model)
    probes = make_probes(reference)
    writer.add(PROBES_NAME, probes.to_bytes())
    if pipeline.tokenizer is not None:
        writer.add(TOKENIZER_NAME, pipeline.tokenizer.encode())
    graphs = _graphs(job)
    distance = Distance(reference, source.data, SAMPLES if pipeline.sampler is None else _FEW_SAMPLES)
    proof = Proof(pipeline, graphs, probes, distance, _other_stages(job, graphs))
    made = list(_make(writer, job, graphs, proof))
    variants = tuple(one.variant for one in made)
    if job.request.timed:
        variants = _timed(job, graphs, made)
    fields = {
        "name": job.request.name,
        "family": source.family,
        "preset": source.preset,
        "licence": source.licence,
        "signature": pipeline.signature,
        "stages": pipeline.described,
        "sampler": pipeline.sampler,
        "variants": variants,
        "aim": job.request.aim,
        "recommended": recommend(variants, writer.files, job.request.aim),
        "gains": _gains(job, graphs) if job.request.timed else (),
        "checkpoint_sha256": source.weights_sha256,
        "environment": {**job.environment, **(timing_record() if job.request.timed else {})},
    }
    pictures = {one.variant.name: one.pictures for one in made if one.pictures is not None}
    report = render_report(Manifest(files=writer.files, **fields), probes, pictures)
    writer.add(REPORT_NAME, report.encode())
    writer.finish(**fields)


def _graphs(job: _Job) -> dict[str, bytes]:
    """Stage -> content of its graph in FP32."""
    metadata = {
        "litho.checkpoint_sha256": job.source.weights_sha256,
        "litho.family": job.source.family,
        "litho.licence": job.source.licence or "unknown",
    }
    graphs: dict[str, bytes] = {}
    for name, (module, signature) in job.whole.stages.items():
        job.progress(f"exporting the graph of the {name}", 0.0)
        graphs[name] = export_graph(module, signature, metadata)
        for field, value in job.request.fixed:
            graphs[name] = fix_input(graphs[name], field, value)
    return graphs


def _other_stages(job: _Job, graphs: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The FP32 variants as which stages run beside one that is judged; a single stage runs beside none."""
    if len(graphs) == 1:
        return graphs
    left_in = {*default_passes(), *precision("fp32").passes} - set(job.request.without)
    return {stage: apply_passes(graph, left_in)[0] for stage, graph in graphs.items()}


def _make(
    writer: BundleWriter, job: _Job, graphs: Mapping[str, bytes], proof: Proof
) -> Iterator[ExportedVariant]:
    pipeline = job.source.pipeline

    @cache
    def calibration() -> dict[str, list[Inputs]]:
        job.progress("calibrating", 0.0)
        inputs = calibration_inputs(pipeline, job.request.calibration or job.source.data)
        return calibrate(pipeline, graphs, inputs)

    count = sum(1 for stage in pipeline.stages for _ in job.request.files(stage))
    done = 0

    def report(step: str, share: float) -> None:
        job.progress(f"variant {done + 1} of {count}: {step}", (done + share) / count)

    for stage, (_, signature) in pipeline.stages.items():
        for made in make_variants(
            writer,
            job.request,
            proof,
            stage,
            graphs[stage],
            signature,
            lambda stage=stage: calibration()[stage],
            report,
        ):
            done += 1
            yield made


def _timed(job: _Job, graphs: Mapping[str, bytes], made: Sequence[ExportedVariant]) -> tuple[Variant, ...]:
    """The variants with their timings, as far as they make pictures here."""
    pipeline = job.source.pipeline
    opened = {
        one.variant.name: partial(
            pipeline.open, {**graphs, one.variant.stage: one.graph}, {one.variant.stage: one.variant.runtime}
        )
        for one in made
        if one.graph is not None and one.pictures is not None
    }
    timings = time_in_turns(opened, lambda share: job.progress("timing the variants", share))
    return tuple(
        one.variant.model_copy(update={"timings": timings.get(one.variant.name, ())}) for one in made
    )


def _gains(job: _Job, graphs: Mapping[str, bytes]) -> tuple[Gain, ...]:
    return measure_gains(
        job.source.pipeline,
        graphs,
        job.request.without,
        lambda share: job.progress("timing the rewrites", share),
    )
