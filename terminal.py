"""What the command line shows and reads: tables, JSON, progress bars, and lists of values; knows no verb."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from .errors import UsageError

if TYPE_CHECKING:
    from .bundle import Variant

__all__ = [
    "numbers",
    "pairs",
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


def show_variants(variants: tuple[Variant, ...], as_json: bool) -> None:
    """A bundle's variants with their verdicts."""
    if as_json:
        print_json([variant.model_dump() for variant in variants])
        return
    rows = [
        (
            variant.name,
            variant.runtime,
            variant.target or "any",
            variant.verdict.status,
            verdict_words(variant.verdict),
        )
        for variant in variants
    ]
    show_rows(("variant", "runtime", "target", "verdict", "figures"), rows)


def verdict_words(verdict: Any) -> str:
    """All figures of a verdict beside their limits, or why there are none."""
    from .export.report import figure_words

    return (
        "; ".join(f"{figure.metric} {figure_words(figure)}" for figure in verdict.figures) or verdict.reason
    )


def show_rows(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table; a heading that ends with "|right" has its column aligned so."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(
            heading.removesuffix("|right"), justify="right" if heading.endswith("|right") else "left"
        )
    for row in rows:
        table.add_row(*row)
    console = Console()
    # A file or a pipe has no width to keep to.
    console.print(table, width=None if console.is_terminal else max(console.width, 200))


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
