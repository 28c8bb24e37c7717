"""Latency and throughput of a run in every runtime of a device: `python -m litho.benchmarks.device_bench RUN`.

The run is exported; PyTorch, its compiled and its BF16 form and each graph that the device has a runtime for are then
measured one after the other by the load generator, with batches of 1 to 256 in one closed loop. Without a runtime of
graphs, PyTorch's forms are measured alone. The document is written after each form, so that one that takes too long
costs no other. `make gpu-bench` runs it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ...bundle import Bundle
from ...errors import LithoError, MissingExtra
from ...export.build import export
from ...extras import require
from ...files import write_bytes
from ...runners.base import installed_graph_runtimes
from ...runners.torch import Runner as TorchRunner
from ...training.run.snapshot import load_snapshot
from ..gpu_check.run import candidates
from ..load.documents.result import BenchResult
from ..load.sweep import bench
from ..shared.candidates import Candidate
from ..shared.command import Output, errors_of, whole_numbers
from ..shared.environment import utc_now
from ..shared.machine import describe_machine
from .documents import DeviceBench

__all__ = ["forms_of", "main", "measure"]

BATCHES = (1, 8, 32, 128, 256)


def measure(
    run: Path,
    *,
    device: str = "cuda",
    batches: Sequence[int] = BATCHES,
    seconds: float = 30.0,
    keep: Callable[[DeviceBench], object] = lambda measured: None,
) -> DeviceBench:
    """Measure a run.

    Args:
        run: a run's directory, of a family with one stage.
        device: "cuda" or "cpu".
        batches: pictures in a request.
        seconds: for all forms together, without export and compilation.
        keep: called with what was measured after each form.

    Raises:
        LithoError: the run cannot be exported.
    """
    snapshot = load_snapshot(run)
    picture = snapshot.picture()
    results: dict[str, BenchResult] = {}
    missing: dict[str, str] = {}
    work, machine = _multiply_adds(picture), describe_machine()

    def document() -> DeviceBench:
        return DeviceBench(
            preset=snapshot.info.preset or snapshot.info.family,
            device=device,
            multiply_adds=work,
            results=results,
            missing=missing,
            machine=machine,
            measured_at=utc_now(),
            command=f"python -m litho.benchmarks.device_bench RUN --device {device} --seconds {seconds:g}",
        )

    with tempfile.TemporaryDirectory() as folder:
        bundle = _bundle(run, Path(folder) / "bundle", device, missing)
        forms = forms_of(run, bundle, device)
        for name, form in forms.items():
            try:
                with form.opens() as runner:
                    for batch in batches:  # memory, kernels and compilation
                        runner.run(runner.signature.example(batch))
                    results[name] = bench(runner, batch=batches, seconds=seconds / len(forms))
            except LithoError as error:
                missing[name] = str(error)
            keep(document())
    return document()


def _bundle(run: Path, folder: Path, device: str, missing: dict[str, str]) -> Bundle | None:
    """The run's bundle; None, with the reason, where the package that proves graphs is not installed."""
    try:
        require("onnxruntime", "cpu")
    except MissingExtra as error:
        missing["graphs"] = str(error)
        return None
    return export(
        run,
        to=folder,
        precisions=("fp32", "fp16"),
        runtimes=tuple(installed_graph_runtimes(device)) or ("onnxruntime",),
        timed=False,
    )


def forms_of(run: Path, bundle: Bundle | None, device: str) -> dict[str, Candidate]:
    """What is measured: PyTorch's forms, quickest to start first, then the graphs of a bundle.

    Args:
        run: a run's directory.
        bundle: of the run; None for PyTorch alone.
        device: "cuda" or "cpu".
    """
    picture = load_snapshot(run).picture()
    found = candidates(run, bundle, device)
    found["torch BF16"] = Candidate("bf16", partial(TorchRunner, picture, device, bf16=True))
    # Compiling takes longest, and may use up the time of a suite.
    return dict(sorted(found.items(), key=lambda item: item[0] == "torch.compile"))


def _multiply_adds(picture: object) -> int:
    """Multiply-adds of one picture: half of the operations that PyTorch counts."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    runner = TorchRunner(picture, "cpu")
    with FlopCounterMode(display=False) as counter, torch.no_grad(), runner:
        runner.run(runner.signature.example(1))
    return counter.get_total_flops() // 2


def main(
    run: Annotated[Path, typer.Argument(help="Run directory.", show_default=False)],
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the measurement itself.")] = "cuda",
    seconds: Annotated[float, typer.Option(help="For all runtimes together.")] = 30.0,
    batch: Annotated[
        str, typer.Option(help="Pictures in a request, separated by commas.")
    ] = "1,8,32,128,256",
    output: Output = Path("device-bench.json"),
) -> None:
    """Measure a run in every runtime of a device."""
    with errors_of("device_bench", output):
        batches = tuple(whole_numbers(batch, "--batch"))
        measured = measure(
            run,
            device=device,
            batches=batches,
            seconds=seconds,
            keep=lambda so_far: write_bytes(output, so_far.model_dump_json(indent=1) + "\n"),
        )
    for name, result in measured.results.items():
        speeds = ", ".join(f"{point.images_per_second:,.0f}" for point in result.points)
        typer.echo(f"{name}: {speeds} images/s at batch {', '.join(map(str, batches))}")
    for name, why in measured.missing.items():
        typer.echo(f"not measured: {name}: {why}")
