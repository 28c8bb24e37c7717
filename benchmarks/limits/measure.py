"""How near generators come to what the machine allows: `python -m litho.benchmarks.limits RUN_OR_BUNDLE ...`.

Each generator runs in every form that this machine has - FP32, BF16 and INT8 in ONNX Runtime and OpenVINO, and from a
run also in PyTorch - in turns, and its pictures of the probes are held against PyTorch's. Work is counted from the
graphs, ceilings are measured before and after (`ceilings`), and `roofline` puts them together. Written to
`results/limits.json`.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from ...bundle import MANIFEST_NAME, Bundle
from ...errors import LithoError, UsageError
from ...export.build import export
from ...export.source import Source, from_run
from ...export.timing import in_turns
from ...extras import require
from ...files import write_bytes
from ...parity.metrics import psnr_db
from ...parity.replay import replay
from ...reporting.progress import Progress, quiet
from ...runners.base import Runner, installed_graph_runtimes, thread_count
from ...signature.fields import Role
from ..roofline.ceilings import (
    KERNELS,
    WORKING_SETS,
    Ceilings,
    Kernel,
    Peak,
    measure_bandwidths,
    measure_peak,
    torch_threads,
)
from ..roofline.reached import reached
from ..roofline.work import calls_of
from ..shared.command import RESULTS, Output, errors_of, show_progress, whole_numbers, write_document
from ..shared.environment import utc_now
from ..shared.machine import describe_machine
from .forms import USABLE, OpenForm, open_forms, torch_operations, usable
from .page import page, picture, rows
from .roofline import (
    Form,
    FormAtBatch,
    Limits,
    ModelLimits,
    Stage,
    raised,
    stage_results,
    with_ceilings,
    with_front,
)

__all__ = ["Plan", "main", "measure_limits", "write_limits"]

RESULT = RESULTS / "limits.json"
BATCHES = (1, 8, 32)
PRECISIONS = ("fp32", "bf16", "int8")
_LEAST_RUNS, _MOST_RUNS = 3, 200
_CALIBRATION = 128
_PROBE_BATCH = 16


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Args:
        batches: pictures of a run.
        threads: of each runtime; None for one on each core.
        seconds: to time each form and each stage for, at each batch; slow ones run three times.
        bundles: where exported runs are kept and found again; None for a temporary folder.
        kernels: the fastest is the peak.
        working_sets: bytes at which bandwidth is measured, ascending.
    """

    batches: Sequence[int] = BATCHES
    threads: int | None = None
    seconds: float = 0.4
    bundles: Path | None = None
    kernels: Sequence[Kernel] = KERNELS
    working_sets: Sequence[int] = WORKING_SETS

    def __post_init__(self) -> None:
        if (
            not self.batches
            or any(batch < 1 for batch in self.batches)
            or len(set(self.batches)) < len(self.batches)
        ):
            raise UsageError(
                f"batches were given {list(self.batches)}; they take different numbers of at least 1"
            )
        if not 0 < self.seconds < float("inf"):
            raise UsageError(f"seconds was given {self.seconds}; it takes a positive number")


def measure_limits(targets: Sequence[Path], plan: Plan, command: str, progress: Progress = quiet) -> Limits:
    """Measure generators and the machine's ceilings.

    Args:
        targets: folders of bundles, or of runs, which are exported first.
        plan: how to measure.
        command: that the document names.
        progress: called with the current step and the share that is done, 0 to 1.

    Raises:
        UsageError: a target is neither.
        LithoError: a generator cannot be exported, or no form of it runs.
    """
    require("torch", "train")
    threads = thread_count(plan.threads)
    with tempfile.TemporaryDirectory(prefix="limits-") as folder:
        opened = [
            _bundle_of(target, plan.bundles or Path(folder), partial(progress, f"exporting {target.name}"))
            for target in targets
        ]
        begun = time.perf_counter()
        names = _names(bundle for bundle, _ in opened)
        if any(source is not None for _, source in opened):
            names |= {("torch", "fp32"), ("torch", "bf16")}
        progress("measuring the machine", 0.0)
        ceilings = _ceilings(sorted(names), threads, plan)
        models = []
        for number, (bundle, source) in enumerate(opened):
            progress(f"measuring {bundle.manifest.name}", number / len(opened))
            models.append(_model(bundle, source, plan, ceilings))
        progress("measuring the machine again", 1.0)
        ceilings = _again(ceilings, plan)
    ceilings = raised(ceilings, list(stage_results(models)))
    return Limits(
        command=command,
        measured_at=utc_now(),
        seconds=time.perf_counter() - begun,
        machine=describe_machine(),
        batches=tuple(plan.batches),
        ceilings=ceilings,
        models=tuple(with_ceilings(model, ceilings) for model in models),
    )


def _bundle_of(target: Path, folder: Path, progress: Callable[[float], None]) -> tuple[Bundle, Source | None]:
    """The bundle of a target, and the run that it was made from, if that is the target."""
    if (target / MANIFEST_NAME).exists():
        return Bundle.load(target), None
    if not (target / "snapshot.json").exists():
        raise UsageError(
            f"{str(target)!r} is no bundle and no run; make one with 'litho export' or 'litho train'"
        )
    progress(0.0)
    source = from_run(target)
    with tempfile.TemporaryDirectory(prefix="calibration-") as made:
        image = source.pipeline.signature.field(Role.IMAGE)
        calibration = None
        if source.data is None and image is not None:
            # Without training data: speed depends on the graph, and the document shows the error.
            calibration = Path(made) / "pictures.safetensors"
            require("safetensors.numpy", "export").save_file(_pictures(source), calibration)
        bundle = export(
            target,
            to=folder / target.name,
            precisions=PRECISIONS,
            runtimes=installed_graph_runtimes("cpu"),
            calibration=None if calibration is None else str(calibration),
            timed=False,
        )
    return bundle, source


def _pictures(source: Source) -> dict[str, NDArray[Any]]:
    signature = source.pipeline.signature
    example = signature.example(_CALIBRATION, seed=1)
    return {
        field.name: example[field.name]
        for field in signature.inputs
        if field.role in (Role.IMAGE, Role.MASK, Role.CONDITION)
    }


def _names(bundles: Iterator[Bundle]) -> set[tuple[str, str]]:
    """Runtime and precision of every variant that can be measured, and FP32 of each such runtime."""
    return {
        (variant.runtime, name)
        for bundle in bundles
        for variant in usable(bundle)
        for name in (variant.precision, "fp32", variant.options.get("inference_precision", "fp32"))
    }


def _ceilings(names: Sequence[tuple[str, str]], threads: int, plan: Plan) -> Ceilings:
    peaks = [measure_peak(runtime, name, threads, plan.seconds / 2, plan.kernels) for runtime, name in names]
    return Ceilings(
        threads=threads,
        peaks=tuple(peak for peak in peaks if peak is not None),
        bandwidths=measure_bandwidths(threads, plan.seconds / 4, plan.working_sets),
    )


def _again(ceilings: Ceilings, plan: Plan) -> Ceilings:
    """The better of each ceiling and a second measurement of it: the machine may have been slower then."""

    def better(peak: Peak) -> Peak:
        chosen = [kernel for kernel in plan.kernels if str(kernel) == peak.source]
        other = measure_peak(peak.runtime, peak.precision, ceilings.threads, plan.seconds, chosen)
        return peak if other is None or other.per_second < peak.per_second else other

    again = measure_bandwidths(ceilings.threads, plan.seconds / 4, plan.working_sets)
    pairs = zip(ceilings.bandwidths, again, strict=True)
    return Ceilings(
        threads=ceilings.threads,
        peaks=tuple(map(better, ceilings.peaks)),
        bandwidths=tuple(max(pair, key=lambda one: one.per_second) for pair in pairs),
    )


def _model(bundle: Bundle, source: Source | None, plan: Plan, ceilings: Ceilings) -> ModelLimits:
    manifest, threads = bundle.manifest, ceilings.threads
    with ExitStack() as stack:
        stack.enter_context(torch_threads(threads))
        forms = list(open_forms(bundle, source, threads, stack))
        if not forms:
            raise LithoError(f"{bundle.path} has no variant that runs here and passed its gate")
        times = {batch: _times(forms, batch, plan.seconds) for batch in plan.batches}
        calls = calls_of(bundle)
        measured = [_form(form, bundle, times, calls, ceilings) for form in forms]
    plain = next(form for form in measured if form.precision == "fp32" and form.stages)
    return ModelLimits(
        name=manifest.name,
        family=manifest.family,
        weights_sha256=manifest.checkpoint_sha256,
        operations=sum(stage.calls * stage.work.all_operations for stage in plain.stages),
        operations_by_torch=None if source is None else torch_operations(source),
        forms=with_front(measured, plan.batches),
        left_out={
            variant.name: variant.verdict.reason
            for variant in manifest.variants
            if variant.verdict.status not in USABLE
        },
    )


def _times(forms: Sequence[OpenForm], batch: int, seconds: float) -> dict[tuple[str, str], list[float]]:
    """Form and stage -> seconds of runs at a batch, taken in turns; stage "" is the whole generator."""
    parts: dict[tuple[str, str], Runner] = {}
    for form in forms:
        parts[form.name, ""] = form.whole
        parts |= {
            (form.name, name): runner
            for name, (runner, _, _) in form.stages.items()
            if runner is not None and runner is not form.whole
        }
    inputs = {key: runner.signature.example(batch) for key, runner in parts.items()}
    for key, runner in parts.items():
        runner.run(inputs[key])  # the first run of a shape allocates
    found: dict[tuple[str, str], list[float]] = {key: [] for key in parts}

    def turn(key: tuple[str, str]) -> None:
        spent = found[key]
        if len(spent) < _LEAST_RUNS or sum(spent) < seconds:
            spent.append(parts[key].seconds(inputs[key]))

    turns = in_turns(
        {f"{form}/{stage}": partial(turn, (form, stage)) for form, stage in parts}, alternate=True
    )
    for _ in islice(turns, _MOST_RUNS):
        if all(len(spent) >= _LEAST_RUNS and sum(spent) >= seconds for spent in found.values()):
            break
    return found


def _form(
    form: OpenForm,
    bundle: Bundle,
    times: Mapping[int, Mapping[tuple[str, str], Sequence[float]]],
    calls: Mapping[str, int],
    ceilings: Ceilings,
) -> Form:
    probes = bundle.probes()
    pictures = replay(form.whole, probes, _PROBE_BATCH)
    near = psnr_db(pictures, probes.images)
    stages = []
    for name, (runner, variant, work) in form.stages.items():
        results = []
        for batch, spent in times.items() if runner is not None else ():
            runs = spent[form.name, "" if runner is form.whole else name]
            milliseconds = statistics.median(runs) * 1e3
            results.append(reached(work, form.runtime, ceilings, batch, milliseconds, len(runs)))
        stages.append(Stage(name=name, variant=variant, calls=calls[name], work=work, reached=tuple(results)))
    whole = tuple(
        FormAtBatch(
            batch=batch, images_per_second=batch / statistics.median(spent[form.name, ""]), share=None
        )
        for batch, spent in times.items()
    )
    return Form(
        name=form.name,
        runtime=form.runtime,
        precision=form.precision,
        psnr_mean_db=float(near.mean()),
        psnr_min_db=float(near.min()),
        most_levels=int(np.abs(pictures.astype(np.int16) - probes.images.astype(np.int16)).max()),
        stages=tuple(stages),
        whole=whole,
    )


def write_limits(limits: Limits, folder: Path) -> None:
    """Write `limits.json`, `limits.html` and `limits.png` into a folder.

    Raises:
        MissingExtra: Jinja2 or vl-convert is not installed.
    """
    write_bytes(folder / "limits.json", json.dumps(limits.model_dump(), indent=1) + "\n")
    write_bytes(folder / "limits.html", page(limits))
    write_bytes(folder / "limits.png", picture(limits))


def main(  # noqa: PLR0913
    targets: Annotated[list[Path], typer.Argument(help="Runs or bundles.", show_default=False)],
    batch: Annotated[str, typer.Option(help="Pictures of a run, separated by commas.")] = "1,8,32",
    threads: Annotated[
        int | None, typer.Option(help="Of each runtime; default: one on each core.", min=1)
    ] = None,
    seconds: Annotated[float, typer.Option(help="To time each form for, at each batch.")] = 0.4,
    bundles: Annotated[
        Path | None, typer.Option(help="Folder that keeps the exports of runs; they are found again.")
    ] = None,
    output: Output = RESULT,
    page_folder: Annotated[
        Path | None, typer.Option("--page", help="Folder for limits.html, limits.png and the JSON file too.")
    ] = None,
) -> None:
    """Measure how near generators come to what this machine allows."""
    with errors_of("limits", output):
        plan = Plan(whole_numbers(batch, "--batch"), threads, seconds, bundles)
        names = " ".join(target.name for target in targets)
        limits = measure_limits(
            targets,
            plan,
            f"python -m litho.benchmarks.limits {names} --seconds {seconds:g}",
            show_progress,
        )
    write_document(output, limits)
    if page_folder is not None:
        write_limits(limits, page_folder)
    typer.echo("\n".join(rows(limits)))
