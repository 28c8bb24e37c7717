"""Verbs of training: `train`, `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import LithoError
from .base import AsJson, Device, app
from .output import pairs, progress_bar, show_rows


@app.command(epilog="Example: litho train cgan-digits --run runs/digits --set nimg=20000")
def train(
    preset: Annotated[
        str, typer.Argument(help="Name of a preset; an unknown one lists them.", show_default=False)
    ],
    run: Annotated[Path | None, typer.Option(help="Directory of the run; by default runs/PRESET.")] = None,
    budget: Annotated[
        Literal["cpu", "gpu"], typer.Option(help="Size of the preset: for a few slow cores, or the full one.")
    ] = "gpu",
    data: Annotated[
        str | None, typer.Option(help="Data set; by default the preset's. See docs/data.md.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE of the recipe; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved recipe and stop.")] = False,
) -> None:
    """Train a preset; the same command resumes an interrupted run and skips a finished one."""
    from ..training.loop import train as train_run
    from ..training.presets import resolve

    overrides = pairs(set_ or [], "--set")
    if dry_run:
        typer.echo(resolve(preset, budget=budget, data=data, overrides=overrides).model_dump_json(indent=2))
        return
    typer.echo(
        train_run(preset, run=run or Path("runs") / preset, budget=budget, data=data, overrides=overrides)
    )


@app.command(epilog="Example: litho evaluate runs/digits --samples 2000")
def evaluate(
    run: Annotated[Path, typer.Argument(help="Directory of a run.", show_default=False)],
    data: Annotated[
        str | None, typer.Option(help="Compare with this data; by default the run's own.")
    ] = None,
    samples: Annotated[int | None, typer.Option(help="How many pictures to draw.")] = None,
    inception: Annotated[
        Path | None,
        typer.Option(help="TorchScript file inception-2015-12-05.pt, for FID and IS.", show_default=False),
    ] = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Measure how good a run's pictures are, each figure between a reference and a baseline."""
    from ..training.evaluation import SAMPLES
    from ..training.evaluation import evaluate as evaluate_run
    from ..training.evaluation.page import format_figure

    with progress_bar() as progress:
        evaluation = evaluate_run(
            run,
            data=data,
            samples=samples or SAMPLES,
            device=device,
            inception=inception,
            progress=progress,
        )
    if as_json:
        typer.echo(evaluation.model_dump_json(indent=2))
    else:
        show_rows(
            ["figure", "value|right", "reference|right", "of", "baseline|right", "of", "better"],
            [
                [
                    figure.metric,
                    format_figure(figure.value, figure.unit),
                    format_figure(figure.reference, figure.unit),
                    figure.reference_of,
                    format_figure(figure.baseline, figure.unit),
                    figure.baseline_of,
                    figure.better,
                ]
                for section in evaluation.sections
                for figure in section.figures
            ],
        )
        typer.echo(run / "evaluation.html")
    failed = [section for section in evaluation.sections if section.failure]
    if failed:
        raise LithoError(f"{failed[0].title} could not be measured: {failed[0].failure}")
