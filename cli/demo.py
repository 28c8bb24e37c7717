"""The verb `demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .base import app
from .output import progress_bar, show_rows


@app.command(epilog="Example: litho demo --seconds 20")
def demo(
    to: Annotated[Path, typer.Option(help="Directory of everything that the demo makes.")] = Path("demo"),
    seconds: Annotated[float, typer.Option(help="How long to measure.")] = 20.0,
) -> None:
    """Go the whole way once: train, export, prove, deploy, serve, measure."""
    from ..benchmarks.load.report import lines, table
    from ..demo import demo as run_demo

    with progress_bar() as progress:
        result = run_demo(to, seconds=seconds, progress=progress)
    show_rows(*table(result.bench, brief=True))
    for line in lines(result.bench):
        typer.echo(line)
    show_rows(
        ["what", "result|right"],
        [
            ["pictures whose class is recognised", f"{result.agreement:.1%}"],
            ["variety inside a class, of the real digits'", f"{result.variety:.0%}"],
            *([f"time for: {step}", f"{took:.1f} s"] for step, took in result.seconds.items()),
        ],
    )
    typer.echo(result.samples)
    typer.echo(result.report)
