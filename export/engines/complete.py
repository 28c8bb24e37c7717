"""Complete a bundle on the machine with the GPU: build its engines from its graphs, and prove them there.

Needs neither torch nor the run that the bundle was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

from ...bundle import REPORT_NAME, Bundle, BundleWriter, create_bundle
from ...bundle.manifest import Manifest, Variant
from ...errors import UnknownName, UsageError
from ...files import locked
from ...parity.verify import verify_variant
from ...runners.base import library_of
from ..precisions import precision
from ..report.refresh import refresh_report
from .build import present_device
from .options import TARGETS, EngineOptions
from .variants import SCRIPT, UNBUILT, add_engine, engine_file

__all__ = ["build_engines", "prove_engines"]


def build_engines(
    path: Path | str,
    *,
    runtime: str = "tensorrt",
    precisions: Sequence[str] = (),
    targets: Sequence[str] = (),
    options: EngineOptions | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Bundle:
    """Build the engines of a bundle's portable graphs, add them to it, prove them, and make its report anew.

    The bundle is exchanged for the completed one at once; whatever fails before leaves it as it was. An engine that
    the bundle already has is built anew.

    Args:
        path: the bundle's directory.
        runtime: name of a runner with engines.
        precisions: of the graphs; all that the bundle has, by default.
        targets: for TensorRT-RTX, any of `TARGETS`; by default, and always for TensorRT, the GPU that is here.
        options: of the builder.
        progress: told what is being done.

    Returns:
        The completed bundle, with the verdict on each new engine that runs here.

    Raises:
        UsageError: something unknown, or another process is at work on the bundle.
        DeviceError: there is no GPU here, and no target was given.
        LithoError: as `build_engine` says.
    """
    destination = Path(path)
    library = library_of(runtime)
    if targets and not library.ahead_of_time:
        raise UsageError(f"{library.title} builds for the GPU that is here; leave --target away")
    for target in targets:
        if target not in TARGETS:
            raise UnknownName("target", target, TARGETS)
    told = progress or (lambda step, share: None)
    # A mere look: where there is no bundle, the lock would make its directory.
    Bundle.load(destination)
    try:
        with locked(destination.parent / f".{destination.name}.lock"):
            bundle = Bundle.load(destination)
            graphs = _graphs(bundle, precisions)
            wanted = tuple(dict.fromkeys(targets)) or (present_device(runtime).target,)
            _add(bundle, graphs, runtime, wanted, options or EngineOptions(), told)
            completed = Bundle.load(destination)
            return _renewed(completed, _proven(completed, told), told)
    except BlockingIOError:
        raise UsageError(f"another process is at work on {destination}; wait for it") from None


def _graphs(bundle: Bundle, precisions: Sequence[str]) -> list[Variant]:
    portable = [variant for variant in bundle.manifest.variants if variant.runtime == "onnxruntime"]
    known = {variant.precision for variant in portable}
    for name in precisions:
        if name not in known:
            raise UnknownName("precision", name, known)
    return [variant for variant in portable if not precisions or variant.precision in precisions]


def _add(
    bundle: Bundle,
    graphs: Sequence[Variant],
    runtime: str,
    targets: Sequence[str],
    options: EngineOptions,
    told: Callable[[str, float], None],
) -> None:
    """Write the bundle again with its new engines."""
    manifest = bundle.manifest
    pairs = [pair for pair in product(graphs, targets) if precision(pair[0].precision).runs_on(pair[1])]
    if not pairs:
        raise UsageError(
            f"no target of {', '.join(targets)} computes in {', '.join({g.precision: 0 for g in graphs})}"
        )
    with create_bundle(bundle.path) as writer:
        made = {}
        for graph, target in pairs:
            engine = (
                f"engine {len(made) + 1} of {len(pairs)}, {graph.stage} in {graph.precision} for {target}"
            )
            done_share = len(made) / len(pairs)
            report = partial(_report_engine, told, engine, done_share, 1 / len(pairs))
            report("building", 0.0)
            variant = add_engine(
                writer,
                bundle.read(graph.file),
                bundle.stage(graph.stage).signature,
                stage=graph.stage,
                precision=graph.precision,
                runtime=runtime,
                target=target,
                options=_with_timings(bundle, graph, runtime, target, options),
                fp32_layers=graph.fp32_layers,
                progress=report,
            )
            made[variant.name] = variant.model_copy(
                update={"passes": graph.passes, "fp32_layers": graph.fp32_layers, "layers": graph.layers}
            )
        done = {(variant.stage, variant.precision, variant.runtime) for variant in made.values()}
        stay = [
            variant
            for variant in manifest.variants
            if variant.name not in made
            and (variant.target != UNBUILT or (variant.stage, variant.precision, variant.runtime) not in done)
        ]
        unneeded = set() if any(variant.file == SCRIPT for variant in stay) else {SCRIPT}
        _finish(writer, bundle, (*stay, *made.values()), unneeded)


def _report_engine(
    progress: Callable[[str, float], None], engine: str, before: float, part: float, step: str, share: float
) -> None:
    """Report a step of one engine, which is `part` of all the work; the share `before` it is done."""
    progress(f"{engine}: {step}", before + part * share)


def _finish(
    writer: BundleWriter, bundle: Bundle, variants: Sequence[Variant], unneeded: Collection[str] = ()
) -> None:
    """Take over from a bundle whatever the writer has not, and list the variants."""
    for relative in set(bundle.manifest.files) - set(writer.files) - set(unneeded):
        writer.add(relative, bundle.read(relative))
    fields = {name: getattr(bundle.manifest, name) for name in Manifest.model_fields if name != "files"}
    writer.finish(**{**fields, "variants": tuple(variants)})


def _with_timings(
    bundle: Bundle, graph: Variant, runtime: str, target: str, options: EngineOptions
) -> EngineOptions:
    """The options with the timing cache of the engine that is replaced, so that the same kernels are picked again."""
    cached = f"{engine_file(graph.stage, graph.precision, target, runtime)}.timing"
    if options.timing_cache is not None or cached not in bundle.manifest.files:
        return options
    return replace(options, timing_cache=bundle.read(cached))


def prove_engines(bundle: Bundle, progress: Callable[[str, float], None] | None = None) -> Bundle:
    """Replay the probes through every engine that was not run yet and runs here, and write down what came of it.

    Returns:
        The bundle as it is then; the same one where nothing could be run.
    """
    told = progress or (lambda step, share: None)
    proven = _proven(bundle, told)
    return bundle if proven == bundle.manifest.variants else _renewed(bundle, proven, told)


def _proven(bundle: Bundle, told: Callable[[str, float], None]) -> tuple[Variant, ...]:
    proven = []
    for variant in bundle.manifest.variants:
        if variant.engine is not None and variant.verdict.status == "not_run":
            told(f"replaying {variant.name}", 0.0)
            verdict = verify_variant(bundle, variant)
            if verdict.status != "not_run":
                variant = variant.model_copy(update={"verdict": verdict})
        proven.append(variant)
    return tuple(proven)


def _renewed(bundle: Bundle, variants: tuple[Variant, ...], told: Callable[[str, float], None]) -> Bundle:
    """Exchange a bundle for one with these verdicts, and the report that shows them."""
    manifest = bundle.manifest.model_copy(update={"variants": variants})
    report = refresh_report(Bundle(bundle.path, manifest), told)
    with create_bundle(bundle.path) as writer:
        writer.add(REPORT_NAME, report.encode())
        _finish(writer, bundle, variants)
    return Bundle.load(bundle.path)
