"""Parity, gate and latency of every family on a GPU, with the runtimes found there: `make gpu-check`.

Each family is trained for a moment on data that needs no download, exported in every precision that is asked for, and
replayed and timed in all that runs here: PyTorch, torch.compile, ONNX Runtime with CUDA, and engines of TensorRT or
TensorRT-RTX built for this GPU, which capture CUDA graphs. With `--device cpu` the same is done without a GPU, and
without torch.compile, to try the check itself.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..bundle import Bundle
from ..bundle.json_documents import Document
from ..bundle.manifest import Timing, Verdict
from ..errors import DeviceError, LithoError, MissingExtra, UsageError
from ..export.build import export
from ..export.engines.build import present_device
from ..extras import require
from ..files import write_bytes
from ..reporting.markdown import markdown_table
from ..runners import open_runner
from ..runners.base import engine_libraries, library_of
from ..runners.torch import Runner as TorchRunner
from ..training.loop import train
from ..training.models import family, family_names
from ..training.presets import CPU, PRESETS
from ..training.run.snapshot import load_snapshot
from .candidates import Candidate, prove_and_time
from .machine import Machine, describe_machine
from .targets import Progress, quiet

__all__ = ["Check", "Row", "check_families", "main"]

RESULT = Path(__file__).resolve().parent / "results" / "gpu-check.json"

_MOMENT = {"nimg": "64", "batch": "32", "precision": "fp32", "ema_half_life_nimg": "1"}
"""Keys of every recipe: two steps, and their weights as they are. An average would hardly differ from the first
weights, whose pictures may lie in the middle between two grey levels, where a small error decides the rounding."""


class Row(Document):
    """One family in one runtime.

    Args:
        family: of generators.
        name: what ran: of a variant its name.
        precision: whose gate judged it.
        verdict: on the probes; "not_run" with the reason where it does not run here.
        timings: of one picture, eight and thirty-two; empty where it did not run.
    """

    family: str
    name: str
    precision: str
    verdict: Verdict
    timings: tuple[Timing, ...] = ()


class Check(Document):
    """Everything that was checked; written to `benchmarks/results/gpu-check.json`.

    Args:
        schema_version: of this document.
        device: "cuda" or "cpu".
        rows: family by family.
        machine: that they were measured on.
    """

    schema_version: Literal[1] = 1
    device: str
    rows: tuple[Row, ...]
    machine: Machine


def check_families(
    families: tuple[str, ...],
    precisions: tuple[str, ...],
    device: str,
    progress: Progress = quiet,
) -> Check:
    """Train, export, replay and time families.

    Args:
        families: names of families.
        precisions: of the variants.
        device: "cuda" or "cpu".
        progress: told what is being done.

    Raises:
        UnknownName: there is no such family.
        UsageError: there is no GPU.
        LithoError: a family could not be trained or exported.
    """
    trials = {name: _trial(name) for name in families}
    runtimes = _engine_runtimes() if device == "cuda" else {}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (preset, keys) in trials.items():
            report = partial(_report, progress, name)
            report("training", 0.0)
            overrides = {**_MOMENT, **keys}
            run = train(preset, run=Path(folder) / name, budget="cpu", overrides=overrides, progress=False)
            bundle = export(
                run,
                to=Path(folder) / f"{name}-bundle",
                precisions=precisions,
                runtimes=("onnxruntime", *runtimes),
                targets=[target for one, target in runtimes.items() if library_of(one).ahead_of_time],
                timed=False,
                progress=report,
            )
            rows += _rows(name, run, bundle, device, report)
    return Check(device=device, rows=tuple(rows), machine=describe_machine())


def _trial(name: str) -> tuple[str, dict[str, str]]:
    """The preset that a family is checked with, its first with a CPU budget, and keys that replace the preset's."""
    smallest = family(name).smallest
    preset = next((preset for preset in CPU if PRESETS[preset]["family"] == name), name)
    return preset, {key: str(smallest[key]) for key in ("data", "nimg") if key in smallest}


def _report(progress: Progress, family: str, step: str, share: float) -> None:
    progress(f"{family}: {step}", share)


def _engine_runtimes() -> dict[str, str]:
    """Libraries of engines that are installed here -> the target of this GPU."""
    found: dict[str, str] = {}
    for name in engine_libraries():
        try:
            found[name] = present_device(name).target
        except MissingExtra:
            continue
        except DeviceError as error:
            raise UsageError(f"{error}; to try the check itself without a GPU: --device cpu") from None
    return found


def _rows(family: str, run: Path, bundle: Bundle, device: str, progress: Progress) -> Iterator[Row]:
    candidates = _candidates(run, bundle, device)
    for name, (verdict, timings) in prove_and_time(candidates, bundle.probes(), progress).items():
        precision = candidates[name].precision
        yield Row(family=family, name=name, precision=precision, verdict=verdict, timings=timings)


def _candidates(run: Path, bundle: Bundle, device: str) -> dict[str, Candidate]:
    picture = load_snapshot(run).picture()
    found = {"torch eager": Candidate("fp32", partial(TorchRunner, picture, device))}
    # Compiling takes minutes per family: a trial of the check itself goes without.
    if device == "cuda":
        found["torch.compile"] = Candidate("fp32", partial(TorchRunner, picture, device, compiled=True))
    for variant in bundle.manifest.variants:
        opens = partial(open_runner, bundle, variant.name)
        found[variant.name] = Candidate(variant.precision, partial(opens, device=device))
    if device == "cuda" and _has_tensorrt_provider():
        for variant in bundle.manifest.variants:
            if variant.runtime == "onnxruntime":
                opens = partial(open_runner, bundle, variant.name, device="tensorrt")
                found[f"{variant.name} by TensorRT's provider"] = Candidate(variant.precision, opens)
    return found


def _has_tensorrt_provider() -> bool:
    return "TensorrtExecutionProvider" in require("onnxruntime", "gpu").get_available_providers()


def rows_of(check: Check) -> list[str]:
    """The table in Markdown."""
    columns = ("family", "runs in", "precision", "gate", "ms at 1", "images/s at 8", "at 32")
    return markdown_table(
        columns,
        (
            (row.family, row.name, row.precision, row.verdict.status.replace("_", " "), *_speeds(row.timings))
            for row in check.rows
        ),
    )


def _speeds(timings: Sequence[Timing]) -> list[str]:
    at = {timing.batch: timing for timing in timings}
    if not at:
        return ["–"] * 3
    return [f"{at[1].p50_ms:.2f}", *(f"{at[batch].images_per_second:,.0f}" for batch in (8, 32))]


def main(
    families: Annotated[
        list[str] | None, typer.Argument(help="Families; by default all.", show_default=False)
    ] = None,
    precisions: Annotated[str, typer.Option("--precision", help="Separated by commas.")] = "fp32,fp16,int8",
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the check itself.")] = "cuda",
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULT,
) -> None:
    """Check every family on this machine's GPU; exit code 1 where a picture changed."""
    try:
        check = check_families(
            tuple(families or family_names()),
            tuple(precisions.split(",")),
            device,
            lambda step, share: typer.echo(f"{step} {share:.0%}", err=True),
        )
    except LithoError as error:
        typer.echo(f"gpu-check: error: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    write_bytes(output, json.dumps(check.model_dump(), indent=1) + "\n")
    typer.echo("\n".join(rows_of(check)))
    failed = [row for row in check.rows if row.verdict.status == "failed"]
    for row in failed:
        typer.echo(f"{row.family}, {row.name}: {row.verdict.reason}", err=True)
    if failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
