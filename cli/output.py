"""What the command line shows and reads: tables, JSON, progress bars, and lists of values; knows no verb."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import typer

from ..errors import UsageError

if TYPE_CHECKING:
    from ..bundle import Bundle

__all__ = [
    "fixed_inputs",
    "numbers",
    "pairs",
    "parse_size",
    "print_json",
    "progress_bar",
    "show_rows",
    "show_variants",
    "verdict_words",
    "words",
]


def pairs(items: list[str], option: str) -> dict[str, str]:
    """NAME=VALUE items of a repeatable option.

    Raises:
        UsageError: an item has no "=".
    """
    for item in items:
        if "=" not in item:
            raise UsageError(f"{option} was given {item!r}; it takes NAME=VALUE")
    return dict(item.split("=", 1) for item in items)


def fixed_inputs(items: list[str]) -> dict[str, int]:
    """NAME=VALUE items of --fix.

    Raises:
        UsageError: an item has no "=", or a value is not a whole number.
    """
    values = pairs(items, "--fix")
    for name, value in values.items():
        if not value.isdecimal():
            raise UsageError(f"--fix was given {name}={value}; it takes a whole number, such as label=3")
    return {name: int(value) for name, value in values.items()}


def parse_size(text: str) -> tuple[int, int] | Literal["free"]:
    """What --size was given: "free", or height and width.

    Raises:
        UsageError: it is neither.
    """
    if text == "free":
        return "free"
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise UsageError(
            f"--size was given {text!r}; it takes free, or HEIGHTxWIDTH in pixels, such as 96x128"
        )
    return int(height), int(width)


def words(text: str) -> list[str]:
    """Words between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error while the block runs, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    # Drawn twice a second: each time costs what is being measured.
    with Progress(
        *columns, console=console, transient=True, refresh_per_second=2, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda step, share: bar.update(task, description=step, completed=share)


def show_variants(bundle: Bundle, as_json: bool) -> None:
    """A bundle's variants: the table to decide from, what it does not say, and which one to take."""
    manifest = bundle.manifest
    if as_json:
        print_json([variant.model_dump() for variant in manifest.variants])
        return
    from ..export.report.table import decide

    decision = decide(str(bundle.path), manifest)
    show_rows(decision.columns, decision.rows, unbroken=True)
    typer.echo()
    for line in (*decision.notes, decision.choice, *([decision.command] if decision.command else [])):
        typer.echo(line)


def verdict_words(verdict: Any) -> str:
    """All figures of a verdict beside their limits, or why there are none."""
    from ..export.report.page import format_figure

    return (
        "; ".join(f"{figure.metric} {format_figure(figure)}" for figure in verdict.figures) or verdict.reason
    )


def show_rows(headings: Sequence[str], rows: Sequence[Sequence[str]], *, unbroken: bool = False) -> None:
    """A table; a heading that ends with "|right" has its column aligned so.

    Args:
        headings: of the columns.
        rows: the cells.
        unbroken: keep every cell on one line, even where the terminal is too narrow for the table.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(
            heading.removesuffix("|right"),
            justify="right" if heading.endswith("|right") else "left",
            overflow="fold",  # a name that is cut short cannot be given to a command
            no_wrap=unbroken,
        )
    for row in rows:
        table.add_row(*row)
    console = Console()
    # A file or a pipe has no width to keep to.
    least = 0 if console.is_terminal else 200
    if unbroken:
        least = max(least, console.measure(table, options=console.options.update(width=1000)).maximum)
    console.width = max(console.width, least)
    console.print(table)


def numbers(text: str | None, option: str) -> list[int] | None:
    """Whole numbers between commas.

    Raises:
        UsageError: something else was given.
    """
    if text is None:
        return None
    if not all(word.isdecimal() for word in words(text)):
        raise UsageError(f"{option} was given {text!r}; it takes whole numbers separated by commas")
    return [int(word) for word in words(text)]


def print_json(value: Any) -> None:
    """A value as JSON on standard output."""
    typer.echo(json.dumps(value, indent=2))
