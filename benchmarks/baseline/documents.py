"""The ratios of one machine; written as `baseline.json`."""

from __future__ import annotations

from typing import Literal

from ...bundle.json_documents import Document
from ...reporting.markdown import markdown_table
from ..load.comparison.effect import Effect
from ..shared.machine import Machine

__all__ = ["SCHEMA_VERSION", "TOLERANCE", "Baseline", "beyond", "table"]

SCHEMA_VERSION = 1
TOLERANCE = 0.15
"""Share of a stored ratio that may be lost: another processor spends its time otherwise."""


class Baseline(Document):
    """The ratios of one machine; written as `baseline.json`.

    Args:
        schema_version: of this document.
        bundle: name of the bundle.
        ratios: what was compared -> speed of litho's runner over that of the bare session.
        machine: where they were measured.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    bundle: str
    ratios: dict[str, Effect]
    machine: Machine


def beyond(now: Baseline, stored: Baseline) -> list[str]:
    """What is slower than the stored ratios allow, a line each; empty if nothing is."""
    return [
        f"{name}: {found}, stored {stored.ratios[name].ratio:.3f}"
        for name, found in now.ratios.items()
        if name in stored.ratios and found.high < stored.ratios[name].ratio * (1 - TOLERANCE)
    ]


def table(now: Baseline, stored: Baseline | None = None) -> list[str]:
    """The ratios as a Markdown table."""
    known = stored.ratios if stored else {}
    rows = [
        (name, str(found), f"{known[name].ratio:.3f}" if name in known else "–")
        for name, found in now.ratios.items()
    ]
    return markdown_table(("ratio", "now", "stored"), rows)
