"""docs/benchmarks.md: what a search of serving settings found."""

from __future__ import annotations

from ..tuning.documents import read_tuning
from ..tuning.summary import lines, table as rows_of, verdict
from .base import Results, paragraph, table

__all__ = ["write"]


def write(results: Results) -> dict[str, str]:
    """The table of the default and the best candidates, and the verdict with the command and the machine."""
    found = read_tuning(results.path("tune-cgan-digits"))
    headings, rows = rows_of(found)
    machine = f"{found.machine.processor}, {found.machine.cores} cores"
    said = verdict(found)
    text = f"`{found.command}` on {machine}, {found.measured_at[:10]}: {said}. {lines(found)[0]}."
    return {
        "": table([heading.partition("|")[0] for heading in headings], rows),
        "verdict": paragraph(text),
    }
