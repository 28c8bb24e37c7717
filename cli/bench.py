"""The group `bench` and its default verb; each other verb of it is a file `bench_NAME.py` of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import LithoError, UsageError
from .base import AsJson, DefaultVerb, Device, VariantName, app, verb
from .names import name_option
from .output import print_json, progress_bar, show_lines, show_rows
from .paths import require
from .values import numbers, positive, rates

if TYPE_CHECKING:
    from ..benchmarks import BenchResult

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
    device: Device = "cpu",
    against: Annotated[
        str | None, typer.Option(help="Compare in turns with this bundle, run or endpoint.")
    ] = None,
    against_variant: Annotated[
        str | None,
        typer.Option(help="Variant of the bundle of --against; by default chosen as for --variant."),
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
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="The bundle that the endpoint was deployed from: pictures are checked against its probes. By default"
            " it is looked for in the repository of a server on this machine."
        ),
    ] = None,
    slo_ms: Annotated[
        float | None, typer.Option(help="Bound on latency in ms: also count only pictures within it.")
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(
            help="Price of an hour of this machine, or a CSV file of prices: cost of 1,000 pictures."
        ),
    ] = None,
    stall_seconds: Annotated[
        float, typer.Option(help="Give up when nothing was answered for so long.")
    ] = 60.0,
    soak: Annotated[
        int | None, typer.Option(min=1, help="Then watch memory during this many requests.")
    ] = None,
    roofline: Annotated[
        bool,
        typer.Option("--roofline", help="Also give the share of what this machine allows, by its roofline."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for bench.json, bench.html and bench.png.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure latency and throughput under a range of loads.

    Warm-up is excluded. --against compares two targets in turns, so that a change of the machine's speed affects both.
    Exit code 1: pictures were wrong, more than 1 % of the requests failed, nothing succeeded, or a limit was missed;
    130 after Ctrl-C, with the part measured so far.
    """
    positive(seconds, "--seconds")
    positive(at_least, "--at-least")
    positive(slo_ms, "--slo-ms")
    positive(stall_seconds, "--stall-seconds")
    for option, value in (("--at-least", at_least), ("--against-variant", against_variant)):
        if value is not None and against is None:
            raise UsageError(f"{option} needs --against: another bundle, run or endpoint to compare with")
    if bundle is not None:
        require("bundle", bundle)
    from ..benchmarks import bench as measure
    from ..benchmarks.load.session import Stopped

    try:
        with progress_bar() as progress:
            result = measure(
                target,
                variant=variant,
                device=device,
                against=against,
                against_variant=against_variant,
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
                bundle=bundle,
                slo_ms=slo_ms,
                price=price,
                stall_seconds=stall_seconds,
                soak_requests=soak,
                roofline=roofline,
                output=output,
                progress=progress,
            )
    except Stopped as stopped:
        if stopped.result is None:
            raise
        _show(stopped.result, as_json)
        saved = f"; what was measured before is in {output}" if output else ""
        raise Stopped(f"{stopped}{saved}", None, stopped.exit_code) from None
    _show(result, as_json)
    if result.problems:
        raise LithoError(f"not a result: {result.problems[0]}")
    if result.comparison is not None and result.comparison.passed is False:
        raise LithoError(f"the ratio {result.comparison.ratio:.2f} is below --at-least {at_least:g}")


def _show(result: BenchResult, as_json: bool) -> None:
    """Print a result; of one that does not count, the reason comes first."""
    from ..benchmarks.load.page.report import lines, table

    if as_json:
        print_json(result)
        return
    if result.problems:
        show_lines([f"not a result: {result.problems[0]}"])
    show_rows(*table(result, brief=True))
    show_lines(lines(result))
