"""What a command shows: tables, JSON, a progress bar, and the log of --log-file; knows no verb."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .. import interrupts

if TYPE_CHECKING:
    from rich.table import Table

    from ..bundle import Bundle
    from ..reporting.progress import Progress

__all__ = [
    "format_verdict",
    "log",
    "log_to",
    "note",
    "print_json",
    "progress_bar",
    "show_lines",
    "show_rows",
    "show_variants",
]


def log_to(path: Path) -> None:
    """Append what `log` and the package's loggers report to a file, each line with its time in UTC.

    Raises:
        UsageError: the file cannot be written.
    """
    import logging
    import time

    from ..files import check_file

    check_file(path, "--log-file")
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)sZ %(message)s", "%Y-%m-%dT%H:%M:%S"))
    handler.formatter.converter = time.gmtime  # pyright: ignore[reportOptionalMemberAccess]
    logger = logging.getLogger("litho")

    def give_up(record: object) -> None:
        """Go on without the log: the work is worth more."""
        reason = getattr(sys.exception(), "strerror", None) or sys.exception()
        logger.removeHandler(handler)
        with suppress(OSError):
            handler.close()
        typer.echo(f"note: nothing more is logged, {path} cannot be written: {reason}", err=True)

    handler.handleError = give_up
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    log(f"litho {' '.join(sys.argv[1:])}")


def log(line: str) -> None:
    """Append a line to the file of --log-file; without that option nothing happens."""
    if (logging := sys.modules.get("logging")) is not None:
        logging.getLogger("litho").info(line)


def note(line: str) -> None:
    """Show a line on standard error, and log it."""
    typer.echo(line, err=True)
    log(line)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Give the block a function to report progress with: the step under way, and its share that is done, 0 to 1.

    On a terminal standard error shows a bar. The log gets a line per step, and per tenth of a long one. Whatever the
    block prints goes to standard error: standard output is for the result.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress as Display,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    console = Console(stderr=True)
    description = TextColumn("{task.description}", markup=False)
    columns = (description, BarColumn(bar_width=20), TaskProgressColumn(), TimeElapsedColumn())
    logged: tuple[str, int] | None = None
    # Twice a second: drawing costs time that is being measured.
    bar = Display(
        *columns, console=console, transient=True, refresh_per_second=2, disable=not console.is_terminal
    )
    task = bar.add_task("starting", total=1.0)

    def report(step: str, share: float) -> None:
        nonlocal logged
        interrupts.check()
        bar.update(task, description=step, completed=share)
        if logged != (reached := (step, int(10 * share))):
            logged = reached
            log(f"{share:4.0%} {step}")

    with redirect_stdout(sys.stderr), bar:
        yield report


def show_variants(bundle: Bundle, as_json: bool) -> None:
    """Show a bundle's variants: a table to compare them, notes, and the command that deploys the best."""
    manifest = bundle.manifest
    if as_json:
        print_json([variant.model_dump() for variant in manifest.variants])
        return
    from ..export.report.table import decide

    decision = decide(str(bundle.path), manifest)
    show_rows(decision.columns, decision.rows, spare=("SSIM", "FD ratio", "mean, dB"))
    typer.echo()
    show_lines((*decision.notes, decision.choice))
    if decision.command:
        typer.echo(decision.command)


def format_verdict(verdict: Any) -> str:
    """The figures of the usual probes, and of further banks those that fail or have no limit, else the bank's name."""
    from ..export.report.page import format_figure

    further = [figure for figure in verdict.figures if figure.bank]
    limited = {figure.bank for figure in further if figure.limited}
    shown = [figure for figure in further if not figure.passed or figure.bank not in limited]
    good = dict.fromkeys(figure.bank for figure in further if figure.bank not in {one.bank for one in shown})
    parts = [
        *(f"{figure.metric} {format_figure(figure)}" for figure in verdict.figures if not figure.bank),
        *(f"{figure.bank}: {figure.metric} {format_figure(figure)}" for figure in shown),
        *([f"also passed: {', '.join(good)}"] if good else []),
    ]
    return "; ".join(parts) or verdict.reason


def show_rows(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, spare: Sequence[str] | None = None
) -> None:
    """Show a table; a heading that ends with "|right" has its column aligned so.

    Args:
        headings: of the columns.
        rows: the cells.
        spare: headings of columns to leave out, in this order, until every row fits on a line of the terminal; None
            breaks cells instead.
    """
    from rich.console import Console

    console = Console()
    shown, left_out = list(range(len(headings))), list[str]()
    names = [heading.removesuffix("|right") for heading in headings]
    while True:
        table = _table(
            [headings[index] for index in shown], [[row[index] for index in shown] for row in rows]
        )
        width = console.measure(table, options=console.options.update(width=1000)).maximum
        droppable = [names.index(name) for name in spare or () if name in names and name not in left_out]
        if width <= console.width or not console.is_terminal or not droppable:
            break
        left_out.append(names[droppable[0]])
        shown.remove(droppable[0])
    if spare is not None or not console.is_terminal:  # a file or a pipe has no width to keep to
        console.width = max(console.width, width)
    console.print(table)
    if left_out:
        typer.echo(f"A wider terminal also shows: {'; '.join(left_out)}.")


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(
            heading.removesuffix("|right"),
            justify="right" if heading.endswith("|right") else "left",
            overflow="fold",  # a name that is cut short cannot be given to a command
        )
    for row in rows:
        table.add_row(*map(Text, row))  # as it is: rich would take "[gpu]" for a style
    return table


def show_lines(lines: Iterable[str]) -> None:
    """Show sentences; a terminal breaks them between words."""
    from rich.console import Console

    console = Console()
    for line in lines:
        console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=not console.is_terminal)


def print_json(value: Any) -> None:
    """Print a document, or plain lists and dictionaries, as JSON on standard output."""
    typer.echo(
        value.model_dump_json(indent=2) if hasattr(value, "model_dump_json") else json.dumps(value, indent=2)
    )
