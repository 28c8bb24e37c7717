"""Parity, gate and latency of every family on a GPU, with the runtimes found there: `make gpu-check`.

Each family is trained for a moment on data that needs no download, exported in every precision that is asked for, and
replayed and timed in all that runs here: PyTorch, torch.compile, ONNX Runtime with CUDA, and engines of TensorRT or
TensorRT-RTX built for this GPU, which capture CUDA graphs. With `--device cpu` the same is done without a GPU, and
without torch.compile, to try the check itself.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..bundle import Bundle
from ..bundle.json_documents import Document
from ..bundle.manifest import Timing, Verdict
from ..bundle.probes import Probes
from ..errors import DeviceError, LithoError, MissingExtra, UsageError
from ..export.build import export
from ..export.engines.build import present_device
from ..export.precisions import precision
from ..export.timing import time_in_turns
from ..extras import require
from ..files import write_bytes
from ..parity.failure_modes import explain
from ..parity.gate import judge, replay
from ..runners import open_runner
from ..runners.base import Runner, engine_libraries, library_of
from ..runners.torch import Runner as TorchRunner
from ..training.loop import train
from ..training.run.snapshot import load_snapshot
from .machine import Machine, describe_machine

__all__ = ["FAMILIES", "Check", "Row", "check_families", "main"]

RESULT = Path(__file__).resolve().parent / "results" / "gpu-check.json"

FAMILIES: dict[str, tuple[str, dict[str, str]]] = {
    "gan": ("gan-mnist", {"data": "digits"}),
    "dcgan": ("dcgan-fashion", {"data": "digits"}),
    "cgan": ("cgan-mnist", {"data": "digits"}),
    "vae": ("vae-mnist", {"data": "digits"}),
    "r3gan": ("r3gan-stacked", {"data": "digits"}),
    "inpaint": ("inpaint-fashion", {"data": "digits"}),
    "superres": ("superres-emoji", {"data": "shapes"}),
    "pix2pix": ("pix2pix-restyle", {"data": "shapes-pairs"}),
    "cyclegan": ("cyclegan-restyle", {"data": "shapes-pairs"}),
    "flow": ("flow-shapes", {"data": "shapes", "nimg": "512"}),
}
"""Family -> the preset that it is tried by, and keys of its recipe that are others here."""

_MOMENT = {"nimg": "64", "batch": "32", "precision": "fp32", "ema_half_life_nimg": "1"}
"""Keys of every recipe: two steps, and their weights as they are. An average would hardly differ from the first
weights, whose pictures may lie in the middle between two grey levels, where a small error decides the rounding."""

Open = Callable[[], AbstractContextManager[Runner]]


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
    progress: Callable[[str, float], None] = lambda step, share: None,
) -> Check:
    """Train, export, replay and time families.

    Args:
        families: any of `FAMILIES`.
        precisions: of the variants.
        device: "cuda" or "cpu".
        progress: told what is being done.

    Raises:
        UsageError: there is no such family, or no GPU.
        LithoError: a family could not be trained or exported.
    """
    for name in families:
        if name not in FAMILIES:
            raise UsageError(f"family {name!r} is not among {', '.join(FAMILIES)}")
    runtimes = _engine_runtimes() if device == "cuda" else {}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for family in families:
            preset, keys = FAMILIES[family]
            progress(f"{family}: training", 0.0)
            overrides = {**_MOMENT, **keys}
            data = overrides.pop("data")
            run = train(
                preset,
                run=Path(folder) / family,
                budget="cpu",
                data=data,
                overrides=overrides,
                progress=False,
            )
            bundle = export(
                run,
                to=Path(folder) / f"{family}-bundle",
                precisions=precisions,
                runtimes=("onnxruntime", *runtimes),
                targets=[target for name, target in runtimes.items() if library_of(name).ahead_of_time],
                timed=False,
                progress=partial(_named, progress, family),
            )
            rows += _rows(family, run, bundle, device, partial(_named, progress, family))
    return Check(device=device, rows=tuple(rows), machine=describe_machine())


def _named(progress: Callable[[str, float], None], family: str, step: str, share: float) -> None:
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


def _rows(
    family: str, run: Path, bundle: Bundle, device: str, progress: Callable[[str, float], None]
) -> Iterator[Row]:
    probes, picture = bundle.probes(), load_snapshot(run).picture()
    opened: dict[str, tuple[str, Open]] = {
        "torch eager": ("fp32", partial(TorchRunner, picture, device)),
        # Compiling takes minutes a family, which a trial of the check itself is spared.
        **(
            {"torch.compile": ("fp32", partial(TorchRunner, picture, device, compiled=True))}
            if device == "cuda"
            else {}
        ),
        **{
            variant.name: (variant.precision, partial(_variant, bundle, variant.name, device))
            for variant in bundle.manifest.variants
        },
        **{
            f"{variant.name} by TensorRT's provider": (
                variant.precision,
                partial(_variant, bundle, variant.name, "tensorrt"),
            )
            for variant in bundle.manifest.variants
            if variant.runtime == "onnxruntime" and device == "cuda" and _has_tensorrt_provider()
        },
    }
    verdicts: dict[str, Verdict] = {}
    for name, (lowered, entrant) in opened.items():
        progress(f"replaying {name}", 0.0)
        verdicts[name] = _verdict(entrant, probes, lowered)
    able = {name: opened[name][1] for name, verdict in verdicts.items() if verdict.figures}
    timings = time_in_turns(able, lambda share: progress("timing", share))
    for name, (lowered, _) in opened.items():
        yield Row(
            family=family,
            name=name,
            precision=lowered,
            verdict=verdicts[name],
            timings=timings.get(name, ()),
        )


def _has_tensorrt_provider() -> bool:
    return "TensorrtExecutionProvider" in require("onnxruntime", "gpu").get_available_providers()


@contextmanager
def _variant(bundle: Bundle, name: str, device: str) -> Iterator[Runner]:
    with open_runner(bundle, name, device=device) as runner:
        yield runner


def _verdict(entrant: Open, probes: Probes, lowered: str) -> Verdict:
    try:
        with entrant() as runner:
            replays = [replay(runner, probes, batch) for batch in (len(probes.images), 1, 7)]
            verdict = judge(replays, probes.images, precision(lowered).gate)
            return explain(verdict, replays, probes, runner)
    except (DeviceError, MissingExtra) as error:
        return Verdict(status="not_run", reason=str(error))
    except LithoError as error:
        return Verdict(status="failed", reason=str(error))


def rows_of(check: Check) -> list[str]:
    """The table in Markdown."""
    lines = [
        "| family | runs in | precision | gate | ms at 1 | images/s at 8 | at 32 |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in check.rows:
        at: dict[int, Any] = {timing.batch: timing for timing in row.timings}
        speeds = (
            [f"{at[1].p50_ms:.2f}", *(f"{at[batch].images_per_second:,.0f}" for batch in (8, 32))]
            if at
            else ["–"] * 3
        )
        status = row.verdict.status.replace("_", " ")
        lines.append(f"| {row.family} | {row.name} | {row.precision} | {status} | {' | '.join(speeds)} |")
    return lines


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
            tuple(families or FAMILIES),
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
