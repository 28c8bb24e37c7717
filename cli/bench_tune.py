"""The verb `bench tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .base import AsJson, BundlePath, variant_option, verb
from .bench import group
from .output import print_json, progress_bar, show_lines, show_rows
from .paths import require
from .values import positive


@verb(
    None,
    "litho bench tune bundles/digits --seconds 600 --output tune",
    "litho bench tune bundles/digits --aim latency --concurrency 1",
    "litho bench tune bundles/digits --slo-ms 50 --grade same-distribution",
    name="tune",
    group=group,
)
def tune(
    bundle: BundlePath,
    aim: Annotated[
        Literal["throughput", "latency", "cost"],
        typer.Option(
            help="What to improve: pictures a second, median latency, or processor time of the server for a picture."
        ),
    ] = "throughput",
    slo_ms: Annotated[
        float | None,
        typer.Option(help="With it, 99 % of the requests must be answered within so many milliseconds."),
    ] = None,
    grade: Annotated[
        Literal["same-picture", "same-distribution"],
        typer.Option(help="Weakest promise that may be served; INT8 and FP8 promise the same distribution."),
    ] = "same-picture",
    variant: Annotated[str | None, variant_option("all that passed are tried")] = None,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where the server computes.")] = "cpu",
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Requests in flight; by default 32, and 1 with --aim latency.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures per request.")] = 1,
    seconds: Annotated[float, typer.Option(help="Budget of the whole search.")] = 600.0,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder for tune.json and settings.json; its trials go on."),
    ] = Path("tune"),
    as_json: AsJson = False,
) -> None:
    """Search the settings of 'litho deploy' that suit a bundle here.

    Each candidate is served by an embedded server, its pictures are compared with the probes, and it is loaded in
    turns with the default. The best one is compared with the default in fresh pairs, and only what these say is
    claimed. Without --variant every variant that passed its gate is tried. Ctrl-C keeps the trials; the same command
    goes on with them.
    """
    require("bundle", bundle)
    positive(seconds, "--seconds")
    positive(slo_ms, "--slo-ms")
    from ..benchmarks.tuning import deploy_command, lines, table, tune as search, verdict
    from ..benchmarks.tuning.documents import SETTINGS_NAME, Goal

    goal = Goal(
        aim=aim,
        slo_ms=slo_ms,
        grade="same picture" if grade == "same-picture" else "same distribution",
        variant=variant,
        device=device,
        concurrency=concurrency or (1 if aim == "latency" else 32),
        batch=batch,
    )
    with progress_bar() as progress:
        result = search(bundle, goal, seconds=seconds, output=output, progress=progress)
    if as_json:
        print_json(result)
        return
    show_lines([verdict(result)])
    show_rows(*table(result))
    show_lines([*lines(result), deploy_command(result, bundle, output / SETTINGS_NAME)])
