"""The verb `bench limits`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .base import AsJson, verb
from .bench import group
from .output import print_json, progress_bar, show_lines, show_rows
from .pools import MOST_THREADS
from .values import numbers, positive


@verb(
    None,
    "litho bench limits runs/digits",
    "litho bench limits bundles/digits --batch 1,32 --output limits",
    group=group,
)
def limits(
    target: Annotated[Path, typer.Argument(help="A run or a bundle.", show_default=False)],
    batch: Annotated[str, typer.Option(help="Batch sizes, separated by commas.")] = "1,8,32",
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_THREADS, help="Threads of each runtime; by default one for each core."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="Seconds for which each variant is timed at each batch size.")
    ] = 0.4,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for limits.json, limits.html and limits.png."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare speed with what this machine allows.

    A roofline: operations and bytes are counted from the graphs, the machine's peak and bandwidth are measured. All
    precisions of the bundle are measured in ONNX Runtime and OpenVINO; a run is exported in all of them, and also
    measured in PyTorch.
    """
    positive(seconds, "--seconds")
    from ..benchmarks.limits.measure import Plan, measure_limits, write_limits
    from ..benchmarks.limits.page import FRONT_NOTE, ceiling_lines, form_table
    from ..benchmarks.load.page.page import require_report
    from ..files import check_folder

    if output is not None:
        require_report()
        check_folder(output, "--output")
    plan = Plan(numbers(batch, "--batch") or (), threads, seconds)
    with progress_bar() as progress:
        result = measure_limits([target], plan, f"litho bench limits {target.name}", progress)
    if output is not None:
        write_limits(result, output)
    if as_json:
        print_json(result)
    else:
        show_lines(ceiling_lines(result))
        headings, table = form_table(result)
        show_rows(headings, table)
        show_lines([FRONT_NOTE])
