"""docs/benchmarks.md: how often `litho bench compare` finds a planted slowdown, and one that is not there."""

from __future__ import annotations

from ..regressions.documents import Regressions, table
from .base import Results, paragraph

__all__ = ["write"]


def write(results: Results) -> dict[str, str]:
    """The table, and where it was measured."""
    found = results.document(Regressions, "regressions")
    machine = f"{found.machine.processor}, {found.machine.cores} cores, {found.measured_at[:10]}"
    said = f"`{found.target.rpartition('/')[2]}`, batch {found.batch}, tolerance {found.tolerance:.0%}, on {machine}:"
    return {"": "\n".join(table(found)), "where": paragraph(said)}
