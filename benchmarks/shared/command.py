"""What the commands of this folder share: how an error ends them, how programs are found and documents written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer

from ...bundle.json_documents import Document
from ...errors import LithoError, UsageError
from ...extras import missing
from ...files import write_bytes

__all__ = ["errors_of", "find_program", "whole_numbers", "write_document"]


@contextmanager
def errors_of(command: str) -> Iterator[None]:
    """Print an error of litho, or a missing extra, as one line that begins with the command; exit with its code.

    SIGTERM ends the command as Ctrl-C does: the servers that it started end with it.

    Raises:
        Exit: of typer; 2 where the command cannot be asked for, else 1.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _terminated) if main else None
    try:
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
