"""Parity, gate and latency of every family on a GPU, with all installed runtimes: `make gpu-check`.

Each family is trained for a few steps on data that needs no download, exported in the given precisions, and replayed
and timed in PyTorch, torch.compile and every installed runtime: ONNX Runtime with CUDA, and engines of TensorRT or
TensorRT-RTX built for this GPU, which capture CUDA graphs. `--device cpu` tries the check itself without a GPU and
without torch.compile.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

from ...bundle import Bundle
from ...errors import DeviceError, MissingExtra, UsageError
from ...export.build import export
from ...export.engines.build import present_device
from ...export.timing import BATCHES
from ...extras import require
from ...reporting.progress import Progress, quiet
from ...runners import open_runner
from ...runners.base import engine_libraries, installed_graph_runtimes, library_of
from ...runners.torch import Runner as TorchRunner
from ...training.loop import train
from ...training.models import family, family_names
from ...training.presets import CPU, PRESETS
from ...training.run.snapshot import load_snapshot
from ..shared.candidates import Candidate, prove_and_time
from ..shared.command import RESULTS, Output, errors_of, finish, show_progress
from ..shared.machine import describe_machine
from .documents import Check, Row, rows_of

__all__ = ["candidates", "check_families", "main"]

RESULT = RESULTS / "gpu-check.json"

_TRIAL = {"nimg": 64, "batch": 32, "precision": "fp32", "ema_half_life_nimg": 1}
"""Keys of every recipe: two steps, and weights without an average. An average would hardly differ from the first
weights, whose pixels may lie halfway between two grey levels, where a tiny error changes the rounding."""


def check_families(
    families: tuple[str, ...],
    precisions: tuple[str, ...],
    device: str,
    jobs: int = 1,
    progress: Progress = quiet,
) -> Check:
    """Train, export, replay and time families.

    Args:
        families: names of families.
        precisions: names of precisions.
        device: "cuda" or "cpu".
        jobs: families at the same time, each in a process of its own; if more than 1, nothing is timed or compiled.
        progress: called with the step and the share that is done, 0 to 1.

    Raises:
        UnknownName: there is no such family.
        UsageError: there is no GPU.
        LithoError: a family could not be trained or exported.
    """
    for name in families:
        family(name)
    if device == "cuda":
        _engine_runtimes()
    if jobs == 1:
        rows = [_check(name, precisions, device, True, progress) for name in families]
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            waiting = [pool.submit(_check, name, precisions, device, False) for name in families]
            rows = []
            for number, (name, one) in enumerate(zip(families, waiting, strict=True)):
                progress(f"waiting for {name}", number / len(families))
                rows.append(one.result())
    return Check(
        device=device, rows=tuple(row for found in rows for row in found), machine=describe_machine()
    )


def _check(
    name: str, precisions: tuple[str, ...], device: str, timed: bool, progress: Progress = quiet
) -> list[Row]:
    """The rows of one family."""

    def report(step: str, share: float) -> None:
        progress(f"{name}: {step}", share)

    preset, overrides = _trial(name)
    engines = _engine_runtimes() if device == "cuda" else {}
    with tempfile.TemporaryDirectory() as folder:
        report("training", 0.0)
        run = train(preset, run=Path(folder) / name, budget="cpu", overrides=overrides, progress=False)
        bundle = export(
            run,
            to=Path(folder) / f"{name}-bundle",
            precisions=precisions,
            runtimes=(*installed_graph_runtimes(device), *engines),
            targets=[target for one, target in engines.items() if library_of(one).ahead_of_time],
            timed=False,
            progress=report,
        )
        forms = candidates(run, bundle, device)
        if timed:
            found = prove_and_time(forms, bundle.probes(), report)
        else:
            probes = bundle.probes()
            found = {key: (one.prove(probes), ()) for key, one in forms.items() if key != "torch.compile"}
    return [
        Row(family=name, name=key, precision=forms[key].precision, verdict=verdict, timings=timings)
        for key, (verdict, timings) in found.items()
    ]


def _trial(name: str) -> tuple[str, dict[str, str]]:
    """Preset of a family, and recipe keys for a trial on data that needs no download.

    The preset is the family's first one with a budget for CPUs; a family without one is tried at its smallest size.
    """
    smallest = family(name).smallest
    presets = [preset for preset, keys in PRESETS.items() if keys["family"] == name and preset in CPU]
    if presets:
        smallest = {key: value for key, value in smallest.items() if key in ("data", "nimg")}
    return (*presets, name)[0], {key: str(value) for key, value in {**_TRIAL, **smallest}.items()}


def _engine_runtimes() -> dict[str, str]:
    """Installed runners of engines -> target of this GPU."""
    found: dict[str, str] = {}
    for name in engine_libraries():
        try:
            found[name] = present_device(name).target
        except MissingExtra:
            continue
        except DeviceError as error:
            raise UsageError(f"{error}; to try the check itself without a GPU: --device cpu") from None
    return found


def candidates(run: Path, bundle: Bundle | None, device: str) -> dict[str, Candidate]:
    """All ways to make a run's pictures on a device.

    Args:
        run: a run's directory.
        bundle: the export of the run; None for PyTorch alone.
        device: "cuda" or "cpu".
    """
    picture = load_snapshot(run).picture()
    found = {"torch eager": Candidate("fp32", partial(TorchRunner, picture, device))}
    # Compiling takes minutes per family: too long for a trial of the check itself.
    if device == "cuda":
        opens = partial(TorchRunner, picture, device, compiled=True)
        found["torch.compile"] = Candidate("fp32", opens, batches=BATCHES)
    if bundle is None:
        return found
    for variant in bundle.manifest.variants:
        opens = partial(open_runner, bundle, variant.name)
        found[variant.name] = Candidate(
            variant.precision, partial(opens, device=device), bundle.manifest.sampler
        )
    if device == "cuda" and _has_tensorrt_provider():
        for variant in bundle.manifest.variants:
            if variant.runtime == "onnxruntime":
                opens = partial(open_runner, bundle, variant.name, device="tensorrt")
                found[f"{variant.name} by TensorRT's provider"] = Candidate(
                    variant.precision, opens, bundle.manifest.sampler
                )
    return found


def _has_tensorrt_provider() -> bool:
    """Whether ONNX Runtime is installed, with TensorRT's provider."""
    try:
        return "TensorrtExecutionProvider" in require("onnxruntime", "gpu").get_available_providers()
    except MissingExtra:
        return False


def main(
    families: Annotated[
        list[str] | None, typer.Argument(help="Families; default: all.", show_default=False)
    ] = None,
    precisions: Annotated[str, typer.Option("--precision", help="Separated by commas.")] = "fp32,fp16,int8",
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the check itself.")] = "cuda",
    jobs: Annotated[
        int, typer.Option(help="Families at the same time; more than one are not timed.", min=1)
    ] = 1,
    output: Output = RESULT,
) -> None:
    """Check every family on this machine's GPU; exit code 1 if a variant failed."""
    with errors_of("gpu_check", output):
        check = check_families(
            tuple(families or family_names()),
            tuple(precisions.split(",")),
            device,
            jobs,
            show_progress,
        )
    finish(output, check, rows_of(check))
    failed = [row for row in check.rows if row.verdict.status == "failed"]
    for row in failed:
        typer.echo(f"{row.family}, {row.name}: {row.verdict.reason}", err=True)
    if failed:
        raise typer.Exit(1)
