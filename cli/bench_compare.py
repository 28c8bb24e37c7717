"""The verb `bench compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import LithoError, SchemaError, UsageError
from .base import AsJson, verb
from .bench import group
from .output import print_json, show_lines, show_rows


@verb(
    None,
    "litho bench compare before/bench.json after/bench.json",
    "litho bench compare before after --tolerance 0.1 --json",
    name="compare",
    group=group,
)
def compare(
    first: Annotated[
        Path,
        typer.Argument(
            metavar="A",
            help="Result before: bench.json, a folder with one, or a folder of several runs.",
            show_default=False,
        ),
    ],
    second: Annotated[Path, typer.Argument(metavar="B", help="Result after, likewise.", show_default=False)],
    tolerance: Annotated[
        float, typer.Option(help="Change of the speed that counts as none, as a share.")
    ] = 0.05,
    as_json: AsJson = False,
) -> None:
    """Say whether B is slower than A; exit code 1 if it is.

    The effect is the median ratio over pairs, with its 95 % interval by bootstrap. B is slower or faster only if the
    whole interval lies beyond the tolerance. Six or more runs of each side, measured in turns, make the surest pairs.
    """
    if not 0 < tolerance < 1:
        raise UsageError(
            f"--tolerance was given {tolerance:g}; it takes a share above 0 and below 1, such as 0.05"
        )
    from ..benchmarks.load.comparison.change import change_of, read_runs, rows_of

    try:
        before, after = read_runs(first), read_runs(second)
    except SchemaError as error:
        raise UsageError(str(error)) from None  # exit code 1 means slower
    change = change_of(before, after, tolerance)
    if as_json:
        print_json({**change.model_dump(), "verdict": change.verdict, "sentence": change.sentence})
    else:
        show_rows(*rows_of(change))
        show_lines([f"{change.sentence[0].upper()}{change.sentence[1:]}.", *change.remarks])
    if change.verdict in {"slower", "invalid"}:
        raise LithoError(change.sentence)
