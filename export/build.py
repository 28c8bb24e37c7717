"""Export a generator to a bundle: graphs, engines, probes, verdicts and report, all of them or nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bundle import REPORT_NAME, Bundle, BundleWriter, create_bundle
from ..bundle.manifest import TOKENIZER_NAME, Aim, Variant, Verdict
from ..bundle.probes import PROBES_NAME
from ..errors import BundleError, ExportError, LithoError, out_of_memory
from ..extras import require
from ..files import locked
from ..reporting.progress import Progress, quiet
from ..runners import Worker
from .arithmetic import much_arithmetic
from .calibration import calibrate, calibration_inputs, pictures_sha256
from .engines.complete import prove_engines
from .explanations import carries, carry
from .external_data import WeightFolder
from .fixed_inputs import fix_input
from .graph import export_graph
from .passes import apply_passes, default_passes
from .pipeline import FreeOrSize, Pipeline
from .precisions import Inputs, precision
from .report.choice import recommend
from .report.gains import measure_gains
from .report.page import render_report
from .request import BundleKey, Request, check_destination, check_generator, check_weights, resolve
from .source import Source, format_size, open_source
from .timing import TimingFailed, time_in_turns, timing_record
from .validation.distance import FIRST, Distance, sample_count
from .validation.make_probes import make_probes
from .validation.proof import Proof
from .validation.reference import Reference
from .variants import ExportedVariant, StageGraph, make_variants

if TYPE_CHECKING:
    from torch import nn

__all__ = ["export"]


@dataclass(frozen=True)
class _Job:
    """Everything that a bundle is made from.

    Args:
        request: names the variants.
        source: the generator with its provenance, inputs fixed and sizes set as requested.
        whole: the generator before inputs were fixed: fixing is done on its graphs.
        calibration: inputs of the generator to calibrate with; empty if no precision needs any.
        key: of the bundle.
        progress: called with the current step and the share of it that is done, 0 to 1.
    """

    request: Request
    source: Source
    whole: Pipeline
    calibration: Inputs
    key: BundleKey
    progress: Progress

    def isolated(self, worker: Worker) -> _Job:
        """The same job; its graphs are opened and run in the worker's process."""
        return dataclasses.replace(
            self,
            source=dataclasses.replace(
                self.source, pipeline=dataclasses.replace(self.source.pipeline, worker=worker)
            ),
        )


def export(  # noqa: PLR0913
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
    quantizer: str = "litho",
    external_data: bool = False,
    replace: bool = False,
    progress: Progress = quiet,
) -> Bundle:
    """Export a generator, prove every variant that runs here, and write the bundle.

        >>> bundle = export_model("runs/digits", to="bundles/half", precisions=["fp32", "fp16"], timed=False)
        >>> [variant.name for variant in bundle.manifest.variants]
        ['generator.fp32.onnx', 'generator.fp16.onnx']

    A bundle at `to` stays as it is if the same request was made of the same weights with the same versions.

    Args:
        source: a run's directory; or, with a signature, a module of the user's own, a callable that returns it, or the
            name of one as "package.module:name", whose import runs the user's code.
        to: the bundle's directory; its last part is the bundle's name.
        signature: of a user's own module: a YAML or JSON file, or its content (docs/bring-your-own-model.md).
        weights: of a user's own module: a `.safetensors` file, or a `.pt`, `.pth`, `.bin` or `.ckpt` file of plain
            weights.
        precisions: any of `precisions.precision_names`.
        runtimes: any of `runners.base.runtime_names`; ONNX graphs for ONNX Runtime are always made.
        targets: GPUs to build engines for ahead of time, any of `TARGETS`; required for "tensorrt-rtx".
        input: "seed"; "latent" for a graph that takes the raw latent; or "image" for a graph that makes pictures from
            pictures. The family decides which it has, and the default.
        without: graph passes to leave out, any of `passes.pass_names`.
        aim: what the recommended variant is to be best at, one of `AIMS`.
        timed: whether to time the variants; without timings none is recommended, and two exports are the same bytes.
        calibration: data to calibrate INT8 and FP8 with, for a generator that makes pictures from pictures; by default
            the data that it was trained on. Or a `.npy` or `.safetensors` file with values of conditions and pictures.
        fixed: integer input, such as a label -> its value in every picture; the graphs take the other inputs.
        size: height and width of the pictures that come in, or "free" for every size that the generator can take; by
            default the size that it was made for.
        quantizer: of INT8 and FP8: "litho", or "nncf", which its extra installs.
        external_data: put the weights of every graph into a file beside it, which ONNX calls external data; those of a
            graph of 2 GiB or more always lie there.
        replace: replace a bundle at `to` that holds another generator.
        progress: called with the current step and the share of it that is done, 0 to 1.

    Raises:
        UsageError: a name is unknown, the family cannot do what is asked, an engine has no target, no bundle can
            lie at `to` or have its name, or the one at `to` holds another generator.
        CheckpointError: the snapshot or the weights cannot be used.
        ExportError: a graph cannot be made, there are no pictures to calibrate with, or another process exports
            to the same folder.
    """
    destination = Path(to)
    check_destination(destination)
    for package in ("torch", "onnx", "onnxscript", "jinja2", "matplotlib"):
        require(package, "export")
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
            None if size is None else format_size(size),
            quantizer,
            external_data,
        )
    )
    opened = open_source(source, input=input, signature=signature, weights=weights, size=size)
    if not replace:
        check_generator(destination, opened)
    return _write(destination, _job(request, opened, progress), replace)


def _job(request: Request, source: Source, progress: Progress) -> _Job:
    whole = source.pipeline
    check_weights(request, whole)
    if request.fixed:
        # Its pictures were made with other values of the fixed inputs.
        source = dataclasses.replace(source, pipeline=whole.fix(dict(request.fixed)), explanation={})
    pipeline, inputs = source.pipeline, {}
    if request.calibrated:
        progress("reading the calibration data", 0.0)
        inputs = calibration_inputs(pipeline, request.calibration or source.data)
    environment = request.environment(
        tokenizer=pipeline.tokenizer is not None,
        calibration_sha256=pictures_sha256(pipeline.signature, inputs) if inputs else None,
    )
    if source.signature_sha256 is not None:
        environment["signature_sha256"] = source.signature_sha256
    return _Job(request, source, whole, inputs, request.key(source, environment), progress)


def _write(destination: Path, job: _Job, replace: bool) -> Bundle:
    """Write the bundle, unless it is there already."""
    busy = ExportError(f"another process is exporting to {destination}; wait for it, or give another --to")
    with locked(destination.parent / f".{destination.name}.lock", busy):
        if (existing := _existing(destination, job)) is not None:
            if carries(existing, job.source.explanation):
                return existing
            carry(existing, job.source.explanation)
            return Bundle.load(destination)
        check_destination(destination)
        if not replace:
            check_generator(destination, job.source)
        with create_bundle(destination) as writer, writer.scratch() as folder, Worker() as worker:
            worker.start()
            _fill(writer, job.isolated(worker), WeightFolder(folder, job.request.external_data))
        return Bundle.load(destination)


def _existing(destination: Path, job: _Job) -> Bundle | None:
    if not job.source.settled:
        return None
    try:
        bundle = Bundle.load(destination)
    except BundleError:
        return None
    return bundle if job.key.satisfied_by(bundle.manifest) else None


def _fill(writer: BundleWriter, job: _Job, weights: WeightFolder) -> None:
    pipeline = job.source.pipeline
    reference = Reference(pipeline.model)
    probes = make_probes(reference, progress=partial(job.progress, "making the probes with PyTorch"))
    writer.add(PROBES_NAME, probes.to_bytes())
    if pipeline.tokenizer is not None:
        writer.add(TOKENIZER_NAME, pipeline.tokenizer.encode())
    for path, content in job.source.explanation.items():
        writer.add(path, content)
    graphs = _graphs(job, weights)
    slow, count = much_arithmetic(graphs.values()), sample_count(pipeline.signature, pipeline.sampler)
    distance = Distance(reference, job.source.data, count, first=FIRST if slow else None)
    proof = Proof(pipeline, graphs, probes, distance, _other_stages(job, graphs), slow=slow)
    reference.made = proof.count
    made = list(_make(writer, job, graphs, proof))
    variants = _timed(job, proof, made) if job.request.timed else tuple(_untimed(one.variant) for one in made)
    timing = partial(job.progress, "timing the graph passes")
    fields = {
        **job.key.recorded,
        "variants": variants,
        "recommended": recommend(variants, writer.files, job.request.aim),
        "gains": measure_gains(pipeline, graphs, job.request.without, timing) if job.request.timed else (),
        "environment": {**job.key.recorded["environment"], **(timing_record() if job.request.timed else {})},
    }
    fields["variants"], of_engines = prove_engines(writer.draft(**fields), job.progress, pipeline.worker)
    pictures = {one.variant.name: one.pictures for one in made if one.pictures is not None} | of_engines
    report = render_report(writer.draft(**fields).manifest, probes, pictures)
    writer.add(REPORT_NAME, report.encode())
    writer.finish(**fields)


def _graphs(job: _Job, weights: WeightFolder) -> dict[str, bytes]:
    """Stage -> content of its FP32 graph."""
    metadata = {
        "litho.checkpoint_sha256": job.source.weights_sha256,
        "litho.family": job.source.family,
        "litho.licence": job.source.licence or "unknown",
    }
    graphs: dict[str, bytes] = {}
    for name, (module, signature) in job.whole.stages.items():
        job.progress(f"exporting the graph of the {name}", 0.0)
        graphs[name] = export_graph(module, signature, metadata, weights)
        for field, value in job.request.fixed:
            graphs[name] = fix_input(graphs[name], field, value)
    return graphs


def _other_stages(job: _Job, graphs: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Stage -> its FP32 variant, which runs while another stage is judged."""
    if len(graphs) == 1:
        return graphs
    names = {*default_passes(), *precision("fp32").passes} - set(job.request.without)
    return {stage: apply_passes(graph, names)[0] for stage, graph in graphs.items()}


def _make(
    writer: BundleWriter, job: _Job, graphs: Mapping[str, bytes], proof: Proof
) -> Iterator[ExportedVariant]:
    pipeline = job.source.pipeline

    @cache
    def calibration() -> dict[str, list[Inputs]]:
        report("calibrating", 0.0)
        try:
            return calibrate(pipeline, graphs, job.calibration)
        except LithoError:  # with less optimisation they may run
            return calibrate(pipeline, proof.settled(), job.calibration)

    done, count, doing = 0, len(job.key.variants), ""

    def report(step: str, share: float) -> None:
        nonlocal doing
        doing = f"variant {done + 1} of {count}: {step}"
        job.progress(doing, (done + share) / count)

    proof.progress = lambda share: job.progress(doing, (done + share) / count)

    for name, (_, signature) in pipeline.stages.items():
        stage = StageGraph(name, signature, graphs[name], lambda name=name: calibration()[name])
        for made in make_variants(writer, job.request, proof, stage, report):
            yield made
            done += 1


def _untimed(variant: Variant) -> Variant:
    """The variant without the time that building its engine took, as two exports then are the same bytes."""
    if variant.engine is None:
        return variant
    return variant.model_copy(update={"engine": variant.engine.model_copy(update={"build_seconds": None})})


def _timed(job: _Job, proof: Proof, made: Sequence[ExportedVariant]) -> tuple[Variant, ...]:
    """The variants, with timings of those that run here; one that fails meanwhile has failed."""
    opened = {
        one.variant.name: partial(proof.open, one.variant.stage, one.graph, one.variant.runtime)
        for one in made
        if one.graph is not None and one.pictures is not None
    }
    changed: dict[str, dict[str, Any]] = {}
    while opened:
        try:
            timings = time_in_turns(opened, partial(job.progress, "timing the variants"))
        except TimingFailed as error:
            if out_of_memory(error):
                raise MemoryError(str(error)) from error
            del opened[error.name]
            changed[error.name] = {"verdict": Verdict(status="failed", reason=str(error.reason))}
        else:
            changed |= {name: {"timings": measured} for name, measured in timings.items()}
            break
    return tuple(one.variant.model_copy(update=changed.get(one.variant.name, {})) for one in made)
