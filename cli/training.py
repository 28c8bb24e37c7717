"""Verbs of training: `train`, `evaluate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import LithoError
from .base import AsJson, Device, verb
from .names import complete
from .output import note, print_json, progress_bar, show_rows
from .paths import refuse_others, require, require_file
from .pools import RayAddress, Threads, Workers
from .values import pairs

PANEL = "Train"


@verb(
    PANEL,
    "litho train cgan-digits --run runs/digits --set nimg=20000",
    "litho train flow-shapes --budget gpu --dry-run",
)
def train(
    preset: Annotated[
        str,
        typer.Argument(
            help="Preset: {presets}. Or a family with its defaults, which needs --data and --set nimg=N: {families}.",
            show_default=False,
            autocompletion=complete("presets_and_families"),
        ),
    ],
    run: Annotated[Path | None, typer.Option(help="Folder of the run; by default runs/PRESET.")] = None,
    budget: Annotated[
        Literal["cpu", "gpu"] | None,
        typer.Option(
            help="Size of the preset: gpu is the full one, cpu takes two slow cores up to 40 minutes; by default the"
            " run's, or what fits this machine."
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Dataset; by default the preset's. See docs/data.md.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE of the recipe; repeatable.")
    ] = None,
    parallel: Annotated[
        Literal["ddp", "fsdp"],
        typer.Option(
            help="What several processes share, under torchrun: ddp the batch; fsdp the weights too, for family flow."
            " See docs/training-at-scale.md."
        ),
    ] = "ddp",
    micro_batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most images of one forward pass of a process, to save memory: gradients are accumulated over the"
            " parts of a larger share. By default the whole share at once.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved recipe and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a preset, or resume its run.

    The same command continues an interrupted run and does nothing for a finished one.
    """
    from ..training.data.sources import find_source
    from ..training.loop import train as train_run
    from ..training.presets import resolve
    from ..training.run.resume import check_run, default_budget
    from ..training.run.snapshot import load_snapshot

    overrides = pairs(set_ or [], "--set")
    folder = run or Path("runs") / preset
    refuse_others("finished run", folder, "--run")
    reason = "as asked for"
    if budget is None:
        budget, reason = default_budget(folder)
    recipe = resolve(preset, budget=budget, data=data, overrides=overrides)
    if dry_run:
        print_json(recipe)
        return
    check_run(folder, recipe)
    find_source(recipe.data)  # refuses what is none before anything is said
    first = os.environ.get("RANK", "0") == "0"  # of the processes that a launcher started
    if first:
        note(f"budget {budget}, {reason}; choose another with --budget")
    train_run(
        preset,
        run=folder,
        budget=budget,
        data=data,
        overrides=overrides,
        parallel=parallel,
        micro_batch=micro_batch or 0,
    )
    if not first:
        return
    if as_json:
        print_json({"run": str(folder), **load_snapshot(folder).info.model_dump(mode="json")})
    else:
        typer.echo(folder)


@verb(
    PANEL,
    "litho evaluate runs/digits --samples 2000",
    "litho evaluate runs/digits --output reports/digits.html",
    "litho evaluate runs/digits --explain",
    "litho evaluate runs/digits --samples 50000 --ray auto",
)
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)],
    data: Annotated[str | None, typer.Option(help="Compare with this dataset; by default the run's.")] = None,
    samples: Annotated[
        int | None, typer.Option(help="Number of pictures to draw; by default 10,000.")
    ] = None,
    inception: Annotated[
        Path | None,
        typer.Option(help="TorchScript file inception-2015-12-05.pt, for FID and IS.", show_default=False),
    ] = None,
    ray: RayAddress = None,
    workers: Workers = None,
    threads: Threads = None,
    device: Device = "cpu",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for evaluation.html and evaluation.json, or a .html or .json file, which gets the other"
            " beside it; by default the run, whose snapshot then records the figures.",
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Also explain some pictures, into the folder explanation/ beside the page: which words, label or"
            " source pixels they hang on, and directions of the latent space. 'litho export' copies it.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure the quality of a run's pictures.

    Each figure stands between a reference, which no generator should beat, and a baseline, which learned nothing.
    """
    require("finished run", run)
    require_file(inception, "--inception", "the TorchScript file inception-2015-12-05.pt")
    from ..runners._pools import open_pool
    from ..training.evaluation.document import locate_output
    from ..training.evaluation.evaluate import SAMPLES, evaluate as evaluate_run

    page, _ = locate_output(output or run)
    with (
        progress_bar() as progress,
        open_pool(ray, workers=workers, threads=threads, device=device) as pool,
    ):
        evaluation = evaluate_run(
            run,
            data=data,
            samples=SAMPLES if samples is None else samples,
            device=device,
            inception=inception,
            output=output,
            explain=explain,
            pool=pool,
            progress=progress,
        )
    if as_json:
        print_json(evaluation)
    else:
        _show_figures(evaluation)
        typer.echo(page)
    failed = [section for section in evaluation.sections if section.failure]
    if failed:
        raise LithoError(f"{failed[0].title} could not be measured: {failed[0].failure}")


def _show_figures(evaluation: Any) -> None:
    from ..training.evaluation.page import format_figure

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
