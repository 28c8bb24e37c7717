"""Seconds from a start to the first picture; written as `cold-start.json`."""

from __future__ import annotations

from statistics import median
from typing import Literal

from ...bundle.json_documents import Document
from ...reporting.markdown import markdown_table
from ..shared.environment import Environment
from ..shared.machine import Machine

__all__ = ["ColdStart", "ColdStarts", "table"]


class ColdStart(Document):
    """The starts of one bundle.

    Args:
        name: of the bundle.
        variant: that made the picture.
        size_bytes: of the variant's files.
        process_seconds: from the start of a Python process to its first picture, of each start.
        server_seconds: from the start of the server to the first answer, of each start.
    """

    name: str
    variant: str
    size_bytes: int
    process_seconds: tuple[float, ...]
    server_seconds: tuple[float, ...]


class ColdStarts(Document):
    """All bundles; written as `cold-start.json`."""

    schema_version: Literal[1] = 1
    measured_at: str
    machine: Machine
    environment: Environment
    bundles: tuple[ColdStart, ...]


def table(result: ColdStarts) -> list[str]:
    """A table in Markdown: the median and the range of each way."""
    rows = [
        (one.name, one.variant, *map(_range, (one.process_seconds, one.server_seconds)))
        for one in result.bundles
    ]
    return markdown_table(("bundle", "variant", "Python process, s", "server, s"), rows)


def _range(seconds: tuple[float, ...]) -> str:
    return f"{median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
