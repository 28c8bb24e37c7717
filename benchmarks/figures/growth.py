"""docs/benchmarks.md: how time and throughput grow, with fitted exponents."""

from __future__ import annotations

from ..growth.series import GrowthResult, rows
from .base import Results, paragraph

__all__ = ["write"]


def write(results: Results) -> dict[str, str]:
    """The table of all series, and where they were measured."""
    found = results.document(GrowthResult, "growth")
    said = f"`{found.command}` on {found.machine.processor}, {found.machine.cores} cores, {found.measured_at[:10]}:"
    return {"": "\n".join(rows(found)), "where": paragraph(said)}
