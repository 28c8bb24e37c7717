"""What writers of figures share: the result documents, and how numbers become text."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ...bundle.json_documents import Document, read_as
from ...errors import LithoError
from ...reporting.markdown import markdown_table
from ..shared.command import RESULTS

__all__ = ["WIDTH", "Results", "paragraph", "table", "three_digits", "whole"]

_Document = TypeVar("_Document", bound=Document)

WIDTH = 120
"""Longest line of a paragraph, in characters; tables have no limit."""


@dataclass(frozen=True)
class Results:
    """The folder of the result documents.

    Args:
        folder: holds `NAME.json`.
    """

    folder: Path = RESULTS

    def path(self, name: str) -> Path:
        """The file of a document.

        Args:
            name: of the document, without its ending.

        Raises:
            LithoError: there is no such document.
        """
        file = self.folder / f"{name}.json"
        if not file.is_file():
            raise LithoError(
                f"{name}.json is missing in benchmarks/results; run the benchmark that writes it"
            )
        return file

    def document(self, kind: type[_Document], name: str) -> _Document:
        """A document of one kind.

        Args:
            kind: class of the document.
            name: of the document, without its ending.

        Raises:
            LithoError: there is no such document, or it is of another kind or of a newer litho.
        """
        file, newest = self.path(name), kind.model_fields["schema_version"].default
        return read_as(kind, f"a result of kind {kind.__name__}", file.parent, file.name, newest)

    def read(self, name: str) -> dict[str, Any]:
        """The content of a document, unchecked.

        Args:
            name: of the document, without its ending.

        Raises:
            LithoError: there is no such document, or it is damaged.
        """
        try:
            return json.loads(self.path(name).read_text(encoding="utf-8"))
        except ValueError as error:
            raise LithoError(
                f"{name}.json in benchmarks/results is not JSON ({error}); run the benchmark that writes it"
            ) from error


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table.

    Args:
        head: titles of the columns; may be empty texts.
        rows: cells of each row, as many as the head has.
    """
    return "\n".join(markdown_table(head, rows)).replace("|  ", "| ")


def paragraph(text: str) -> str:
    """Text of one paragraph, in lines of at most `WIDTH` characters."""
    return textwrap.fill(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)


def three_digits(value: float) -> str:
    """Three significant digits, or whole from 100 on: 0.512, 4.90, 31.9, 1250."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}".rstrip(".")


def whole(value: float) -> str:
    """A whole number with separators: 1,250."""
    return f"{value:,.0f}"
