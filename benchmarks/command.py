"""What the commands of this folder share: how an error ends them, and how a document is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from ..bundle.json_documents import Document
from ..errors import LithoError
from ..files import write_bytes

__all__ = ["errors_of", "write_document"]


@contextmanager
def errors_of(command: str) -> Iterator[None]:
    """Print an error of litho as one line that begins with the command, and exit with the error's code.

    Raises:
        Exit: of typer; 2 where the command cannot be asked for, else 1.
    """
    try:
        yield
    except LithoError as error:
        typer.echo(f"{command}: error: {error}", err=True)
        raise typer.Exit(error.exit_code) from None


def write_document(path: Path, document: Document) -> None:
    """Write a document as JSON, atomically."""
    write_bytes(path, json.dumps(document.model_dump(), indent=1) + "\n")
