"""Complete a bundle on the machine with the GPU: build engines from its graphs and prove them there.

Needs neither torch nor the run that the bundle was made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...bundle import REPORT_NAME, Bundle, BundleWriter, create_bundle
from ...bundle.manifest import Manifest, Variant
from ...errors import ExportError, UnknownName, UsageError
from ...files import locked
from ...parity.gate import grade_of
from ...parity.verify import prove_variant
from ...reporting.progress import Progress, quiet
from ...runners import Worker
from ...runners.base import library_of
from ..precisions import precision
from ..report.refresh import refresh_report
from ..search import Lowered
from ..variant_spec import SCRIPT, UNBUILT, VariantSpec
from .build import present_device
from .options import TARGETS, EngineOptions
from .variants import add_engine

__all__ = ["build_engines", "prove_engines"]


def build_engines(
    path: Path | str,
    *,
    runtime: str = "tensorrt",
    precisions: Sequence[str] = (),
    targets: Sequence[str] = (),
    options: EngineOptions | None = None,
    progress: Progress = quiet,
) -> Bundle:
    """Build engines from the ONNX graphs of a bundle, add them to it, prove them, and write its report again.

    The completed bundle replaces the old one in one step; a failure before that leaves the old one unchanged. An
    engine that the bundle already has is built again.

    Args:
        path: the bundle's directory.
        runtime: name of a runner with engines.
        precisions: precisions of the graphs; by default all that the bundle has.
        targets: for TensorRT-RTX, any of `TARGETS`; by default, and always for TensorRT, the GPU of this machine.
        options: of the builder.
        progress: called with the current step and the share of it that is done, 0 to 1.

    Returns:
        The completed bundle, with a verdict on each engine that runs here.

    Raises:
        UsageError: a name is unknown.
        ExportError: another process is using the bundle.
        DeviceError: there is no GPU here, and no target was given.
        LithoError: see `build_engine`.
    """
    destination = Path(path)
    library = library_of(runtime)
    if targets and not library.ahead_of_time:
        raise UsageError(f"{library.title} builds for the GPU of this machine only; leave --target out")
    for target in targets:
        if target not in TARGETS:
            raise UnknownName("target", target, TARGETS)
    # Without a bundle the lock would create its directory.
    Bundle.load(destination)
    busy = ExportError(f"another process is using {destination}; try again when it has ended")
    with locked(destination.parent / f".{destination.name}.lock", busy):
        bundle = Bundle.load(destination)
        graphs = _graphs(bundle, precisions)
        wanted = tuple(dict.fromkeys(targets)) or (present_device(runtime).target,)
        specs = _specs(graphs, runtime, wanted)
        with create_bundle(destination) as writer:
            built = [
                _build(
                    writer, bundle, graph, spec, options or EngineOptions(), _part(progress, number, specs)
                )
                for number, (graph, spec) in enumerate(specs)
            ]
            _complete(writer, bundle, built, progress)
        return Bundle.load(destination)


def _graphs(bundle: Bundle, precisions: Sequence[str]) -> list[Variant]:
    portable = [variant for variant in bundle.manifest.variants if variant.runtime == "onnxruntime"]
    known = {variant.precision for variant in portable}
    for name in precisions:
        if name not in known:
            raise UnknownName("precision", name, known)
    return [variant for variant in portable if not precisions or variant.precision in precisions]


def _specs(
    graphs: Sequence[Variant], runtime: str, targets: Sequence[str]
) -> list[tuple[Variant, VariantSpec]]:
    """The engines to build, each with the graph that it is built from."""
    specs = [
        (graph, VariantSpec(graph.stage, graph.precision, runtime, target))
        for graph, target in product(graphs, targets)
        if precision(graph.precision).runs_on(target)
    ]
    if not specs:
        names = ", ".join(dict.fromkeys(graph.precision for graph in graphs))
        raise UsageError(f"no target of {', '.join(targets)} computes in {names}")
    return specs


def _part(report: Progress, number: int, specs: Sequence[tuple[Variant, VariantSpec]]) -> Progress:
    """Reports the steps of one engine as its part of all the work."""
    spec, count = specs[number][1], len(specs)
    engine = f"engine {number + 1} of {count}, {spec.stage} in {spec.precision} for {spec.target}"
    return lambda step, share: report(f"{engine}: {step}", (number + share) / count)


def _build(
    writer: BundleWriter,
    bundle: Bundle,
    graph: Variant,
    spec: VariantSpec,
    options: EngineOptions,
    report: Progress,
) -> Variant:
    report("building", 0.0)
    options = options.within(graph.batches)
    cache = f"{spec.file}.timing"
    if options.timing_cache is None and cache in bundle.manifest.files:
        # With the timing cache of the engine that it replaces, the builder picks the same kernels.
        options = replace(options, timing_cache=bundle.read(cache))
    lowered = Lowered(
        bundle.read_graph(graph), graph.fp32_layers, graph.verdict, passes=graph.passes, layers=graph.layers
    )
    engine = add_engine(writer, spec, lowered, bundle.stage(graph.stage).signature, options, report)
    return engine.model_copy(update={"grade": grade_of(graph, bundle.manifest)})


def _complete(writer: BundleWriter, bundle: Bundle, built: Iterable[Variant], report: Progress) -> None:
    """Write all that `bundle` has besides the engines that were built, prove these, and write the report."""
    new = {variant.name: variant for variant in built}
    done = {replace(VariantSpec.of(variant), target=UNBUILT) for variant in new.values()}
    old = [
        variant
        for variant in bundle.manifest.variants
        if variant.name not in new and VariantSpec.of(variant) not in done
    ]
    unneeded = set() if any(variant.file == SCRIPT for variant in old) else {SCRIPT}
    for relative in set(bundle.manifest.files) - set(writer.files) - unneeded:
        writer.copy(bundle, relative)
    fields = {name: getattr(bundle.manifest, name) for name in Manifest.model_fields if name != "files"}
    fields["variants"] = (*old, *new.values())
    fields["variants"], _ = prove_engines(writer.draft(**fields), report)
    writer.add(REPORT_NAME, refresh_report(writer.draft(**fields), report).encode())
    writer.finish(**fields)


def prove_engines(
    bundle: Bundle, report: Progress, worker: Worker | None = None
) -> tuple[tuple[Variant, ...], dict[str, NDArray[np.uint8]]]:
    """Replay the probes through every engine without a verdict that runs here.

    Args:
        bundle: the bundle, which may still be in the making.
        report: called with the current step and the share of it that is done.
        worker: the process that opens and runs them; by default a new one.

    Returns:
        The variants of the bundle with the new verdicts; name of an engine -> its pictures of the probes, UINT8 of
        shape (count, height, width, channels).
    """
    if worker is None:
        with Worker() as worker:
            return prove_engines(bundle, report, worker)
    variants: list[Variant] = []
    pictures: dict[str, NDArray[np.uint8]] = {}
    for variant in bundle.manifest.variants:
        if variant.engine is not None and variant.verdict.status == "not_run":
            report(f"replaying {variant.name}", 0.0)
            outcome = prove_variant(bundle, variant, worker)
            if outcome.verdict.status != "not_run":
                variant = variant.model_copy(update={"verdict": outcome.verdict})
            if outcome.pictures is not None:
                pictures[variant.name] = outcome.pictures
        variants.append(variant)
    return tuple(variants), pictures
