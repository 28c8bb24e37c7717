"""What the commands of this folder share: their options, progress and errors, and how documents are written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ...bundle.json_documents import Document
from ...errors import LithoError, UsageError
from ...extras import missing
from ...files import check_file, check_folder, write_bytes

__all__ = [
    "RESULTS",
    "Output",
    "check_results",
    "errors_of",
    "find_program",
    "finish",
    "show_progress",
    "whole_numbers",
    "write_document",
]

RESULTS = Path(__file__).resolve().parents[1] / "results"
"""Folder of the stored documents."""
Output = Annotated[Path, typer.Option("--output", "-o", help="JSON file.")]
"""The option of a command that writes one document."""


@contextmanager
def errors_of(command: str, output: Path | None = None) -> Iterator[None]:
    """Print an error of litho, or a missing extra, as one line that begins with the command; exit with its code.

    SIGTERM ends the command as Ctrl-C does: the servers that it started end with it.

    Args:
        command: its name.
        output: file that it will write; refused before the work whose result would be lost.

    Raises:
        Exit: of typer; 2 where the command cannot be asked for, else 1.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _terminated) if main else None
    try:
        if output is not None:
            check_file(output, "--output")
        yield
    except (LithoError, ModuleNotFoundError) as error:
        said = missing(error) if isinstance(error, ModuleNotFoundError) else error
        if said is None:
            raise
        typer.echo(f"{command}: error: {said}", err=True)
        raise typer.Exit(said.exit_code) from None
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def check_results(output: Path | None) -> None:
    """Refuse the folder of the stored documents, before the work, if no file was given and none can be written there.

    Args:
        output: the file that was given; None for one in that folder, whose name the work decides.

    Raises:
        UsageError: the folder cannot be written to.
    """
    if output is None:
        check_folder(RESULTS, "no --output: the default")


def _terminated(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def find_program(name: str, variable: str, advice: str, given: str | None = None) -> str:
    """A program of others: the given one, that of an environment variable, or the one on PATH.

    Args:
        name: of the program.
        variable: of the environment.
        advice: what to do where there is none, for the message.
        given: its path, or its name on PATH.

    Raises:
        UsageError: there is none.
    """
    found = given or os.environ.get(variable) or shutil.which(name)
    if not found or not shutil.which(found):
        raise UsageError(f"{name} was not found ({found or 'not on PATH'}); {advice}")
    return found


def whole_numbers(text: str, option: str) -> list[int]:
    """The numbers of an option such as "1,8,32".

    Raises:
        UsageError: something is not a whole number of at least 1.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word[:18]) > 0 for word in words):
        raise UsageError(f"{option} was given {text!r}; expected whole numbers from 1, such as 1,8,32")
    return [int(word) for word in words]


def write_document(path: Path, document: Document) -> None:
    """Write a document as JSON, atomically."""
    write_bytes(path, json.dumps(document.model_dump(), indent=1) + "\n")


def show_progress(step: str, share: float) -> None:
    """Write a step and the share of all work that is done to standard error."""
    typer.echo(f"{step} {share:.0%}", err=True)


def finish(path: Path, document: Document, rows: Iterable[str], *, failed: bool = False) -> None:
    """Write a document, and show what it says; with exit code 1 if it says that something is wrong.

    Args:
        path: of the document.
        document: all that was measured.
        rows: lines for the terminal.
        failed: whether it is not as it should be.

    Raises:
        Exit: of typer, if it failed.
    """
    write_document(path, document)
    typer.echo("\n".join(rows))
    if failed:
        raise typer.Exit(1)
