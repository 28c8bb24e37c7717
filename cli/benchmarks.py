"""The verb `bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import LithoError
from .base import AsJson, app
from .output import numbers, progress_bar, show_rows


@app.command(
    epilog="Example: litho bench grpc://127.0.0.1:8001/digits --against bundles/digits --output bench"
)
def bench(
    target: Annotated[
        str, typer.Argument(help="grpc://HOST:PORT/MODEL, a bundle, or a run.", show_default=False)
    ],
    against: Annotated[
        str | None, typer.Option(help="Compare with this bundle, run or endpoint, measured in turns.")
    ] = None,
    at_least: Annotated[
        float | None, typer.Option(help="Fail unless the ratio of throughputs reaches this.")
    ] = None,
    concurrency: Annotated[
        str | None,
        typer.Option(help="Requests in flight, such as 1,8,32; by default 1 to 32 at an endpoint."),
    ] = None,
    batch: Annotated[
        str | None, typer.Option(help="Pictures in a request, such as 1,8; by default 1 to 32 in process.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of the whole measurement.")] = 60.0,
    soak: Annotated[int | None, typer.Option(help="Afterwards watch memory over so many requests.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for bench.json and bench.html.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure latency and throughput under a range of loads, warm-up excluded."""
    from ..benchmarks import bench as measure
    from ..benchmarks.load.report import lines, table

    with progress_bar() as progress:
        result = measure(
            target,
            against=against,
            at_least=at_least,
            concurrency=numbers(concurrency, "--concurrency"),
            batch=numbers(batch, "--batch"),
            seconds=seconds,
            soak_requests=soak,
            output=output,
            progress=progress,
        )
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
    else:
        show_rows(*table(result, brief=True))
        for line in lines(result):
            typer.echo(line)
    if result.comparison is not None and result.comparison.passed is False:
        raise LithoError(f"the ratio {result.comparison.ratio:.2f} is below the {at_least:g} asked for")
