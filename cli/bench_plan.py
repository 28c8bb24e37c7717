"""The verb `bench plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import LithoError, UsageError
from .base import AsJson, BundlePath, VariantName, verb
from .bench import group
from .output import print_json, progress_bar, show_lines, show_rows
from .paths import require
from .values import positive

if TYPE_CHECKING:
    from ..benchmarks.capacity.plan_documents import PlanResult


@verb(
    None,
    "litho bench plan bundles/digits --rate 5000 --p95-ms 50 --price 0.4",
    "litho bench plan bundles/flow --rate 20 --p95-ms 800 --mix 'steps=8:3;steps=32' --output plan",
    "litho bench plan bundles/flow --rate 400 --p95-ms 800 --costs plan --spare 1",
    name="plan",
    group=group,
)
def plan(
    bundle: BundlePath,
    rate: Annotated[float, typer.Option(help="Requests per second that all machines together must answer.")],
    p95_ms: Annotated[
        float,
        typer.Option(
            "--p95-ms", "--p95", help="Milliseconds within which 95 % of the requests must be answered."
        ),
    ],
    variant: VariantName = None,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where the server computes.")] = "cpu",
    mix: Annotated[
        str | None,
        typer.Option(help="Kinds of requests, such as 'steps=4,n=2:3;steps=20'; by default one picture."),
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(
            help="Price of an hour of one machine, or a CSV file of prices: cost of 1,000 pictures."
        ),
    ] = None,
    headroom: Annotated[
        float, typer.Option(help="Share of a machine's highest rate that stays unused.")
    ] = 0.2,
    spare: Annotated[int, typer.Option(min=0, help="Machines in addition to those that the load takes.")] = 0,
    cores: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Cores of a planned machine; by default as many as here. Other numbers are extrapolated.",
        ),
    ] = None,
    costs: Annotated[
        Path | None,
        typer.Option(
            help="Folder or plan.json of an earlier plan: its measured costs are used, and nothing is measured."
        ),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="A bench.json whose loads are simulated too, to compare.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of the measurement of costs, in seconds.")] = 20.0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for plan.json.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say how many machines a load takes, from costs measured here.

    The runner is timed in this process and the server under two loads; Triton's batcher and the machine are then
    simulated, for several ways to serve, up to the highest rate at which 95 % of the requests are in time. Latency is
    the server's: the network to it comes on top. Exit code 1: no number of these machines is fast enough.
    """
    require("bundle", bundle)
    for value, option in ((rate, "--rate"), (p95_ms, "--p95-ms"), (seconds, "--seconds")):
        positive(value, option)
    if not 0 <= headroom < 1:
        raise UsageError(
            f"--headroom was given {headroom:g}; it takes a share from 0 and below 1, such as 0.2"
        )
    if costs is not None and device != "cpu":
        raise UsageError("--device was given with --costs, which says where they were measured; leave it out")
    from ..benchmarks.capacity.plan_documents import PLAN_NAME, Goal
    from ..benchmarks.capacity.planning import Planned, plan_for
    from ..files import check_folder, write_bytes

    if output is not None:
        check_folder(output, "--output")
    goal = Goal(rate=rate, p95_ms=p95_ms, headroom=headroom, spare=spare)
    planned = Planned(
        variant=variant, device=device, mix=mix, price=price, cores=cores, costs=costs, against=against
    )
    with progress_bar() as progress:
        found = plan_for(bundle, goal, planned, seconds=seconds, progress=progress)
    if output is not None:
        write_bytes(output / PLAN_NAME, found.model_dump_json(indent=1) + "\n")
    if as_json:
        print_json({**found.model_dump(), "sentence": found.sentence})
    else:
        _show(found)
    if found.best is None:
        raise LithoError(found.sentence)


def _show(found: PlanResult) -> None:
    from ..benchmarks.capacity.planning import against_table, lines, table

    show_lines([f"{found.sentence[0].upper()}{found.sentence[1:]}."])
    show_rows(*table(found))
    if found.against:
        show_rows(*against_table(found))
    show_lines(lines(found))
