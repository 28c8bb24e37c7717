"""The verb `demo`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .base import AsJson, verb
from .output import print_json, progress_bar, show_lines, show_rows
from .values import positive


@verb("Start here", "litho demo --seconds 30", "litho demo --to /tmp/demo --json")
def demo(
    to: Annotated[Path, typer.Option(help="Folder for everything that the demo makes.")] = Path("demo"),
    seconds: Annotated[float, typer.Option(help="Length of the measurement.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """See every stage at work in a few minutes, on this machine.

    Trains a generator of digits, exports and proves it, deploys and serves it, measures the endpoint, and writes a
    report. What was made is kept: a second call only serves and measures.
    """
    positive(seconds, "--seconds")
    from ..benchmarks.load.page.report import lines, table
    from ..demo import demo as run_demo

    with progress_bar() as progress:
        result = run_demo(to, seconds=seconds, progress=progress)
    playground = f"litho serve {to / 'model_repository'} --gateway"
    if as_json:
        bench = result.bench.model_dump(mode="json")
        files = {"samples": str(result.samples), "report": str(result.report)}
        print_json({**asdict(result), **files, "bench": bench, "playground": playground})
        return
    show_rows(*table(result.bench, brief=True))
    show_lines(lines(result.bench))
    show_rows(
        ["what", "result|right"],
        [
            ["pictures whose class a classifier recognises", f"{result.agreement:.1%}"],
            ["variety inside a class, relative to real digits", f"{result.variety:.0%}"],
            *([f"time for: {step}", f"{took:.1f} s"] for step, took in result.seconds.items()),
        ],
    )
    typer.echo(result.samples)
    typer.echo(result.report)
    typer.echo(f"{playground}   # opens the playground at http://127.0.0.1:8080")
