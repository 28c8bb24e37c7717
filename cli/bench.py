"""The group `bench` and its default verb; each other verb of it is a file `bench_NAME.py` of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import LithoError, UsageError
from .base import AsJson, DefaultVerb, VariantName, app, verb
from .names import name_option
from .output import print_json, progress_bar, show_lines, show_rows
from .values import numbers, positive, rates

group = typer.Typer(cls=DefaultVerb, help="Measure latency and throughput under a range of loads.")
app.add_typer(group, name="bench", rich_help_panel="Measure")


@verb(
    None,
    "litho bench bundles/digits --seconds 30",
    "litho bench grpc://127.0.0.1:8001/digits --against bundles/digits --output bench",
    name=DefaultVerb.default,
    group=group,
    hidden=True,
)
def bench(
    target: Annotated[
        str, typer.Argument(help="grpc://HOST:PORT/MODEL, a bundle, or a run.", show_default=False)
    ],
    variant: VariantName = None,
    against: Annotated[
        str | None, typer.Option(help="Compare in turns with this bundle, run or endpoint.")
    ] = None,
    at_least: Annotated[
        float | None,
        typer.Option(help="Fail if TARGET's throughput is below this multiple of --against's."),
    ] = None,
    concurrency: Annotated[
        str | None,
        typer.Option(help="Requests in flight, such as 1,8,32; by default 1 to 32 at an endpoint."),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="Requests per second of an open loop, such as 50,100.")
    ] = None,
    batch: Annotated[
        str | None, typer.Option(help="Pictures per request, such as 1,8; by default 1 to 32 in process.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of the whole measurement.")] = 60.0,
    scenario: Annotated[str, name_option("scenarios", "How requests arrive: {scenarios}.")] = "closed-loop",
    trace: Annotated[
        Path | None, typer.Option(help="CSV file with column 'seconds', for --scenario trace.")
    ] = None,
    mix: Annotated[
        str | None, typer.Option(help="Kinds of requests, such as 'steps=4,n=2:3;steps=20'.")
    ] = None,
    http: Annotated[
        str | None, typer.Option(help="HOST:PORT of the endpoint's HTTP, in place of gRPC.")
    ] = None,
    preview_every: Annotated[
        int, typer.Option(min=0, help="Steps between previews, where the model streams.")
    ] = 0,
    soak: Annotated[
        int | None, typer.Option(min=1, help="Then watch memory during this many requests.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for bench.json and bench.html.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure latency and throughput under a range of loads.

    Warm-up is excluded. --against compares two targets in turns, so that a change of the machine's speed affects both.
    """
    positive(seconds, "--seconds")
    positive(at_least, "--at-least")
    if at_least is not None and against is None:
        raise UsageError("--at-least needs --against: it is a ratio to another bundle, run or endpoint")
    from ..benchmarks import bench as measure
    from ..benchmarks.load.report import lines, table

    with progress_bar() as progress:
        result = measure(
            target,
            variant=variant,
            against=against,
            at_least=at_least,
            concurrency=numbers(concurrency, "--concurrency"),
            rate=rates(rate, "--rate"),
            batch=numbers(batch, "--batch"),
            seconds=seconds,
            scenario=scenario,
            trace=trace,
            mix=mix,
            http=http,
            preview_every=preview_every,
            soak_requests=soak,
            output=output,
            progress=progress,
        )
    if as_json:
        print_json(result)
    else:
        show_rows(*table(result, brief=True))
        show_lines(lines(result))
    if result.comparison is not None and result.comparison.passed is False:
        raise LithoError(f"the ratio {result.comparison.ratio:.2f} is below --at-least {at_least:g}")
