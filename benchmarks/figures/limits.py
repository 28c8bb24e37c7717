"""docs/benchmarks.md: the forms of each generator that no other beats, and their share of the roofline."""

from __future__ import annotations

from ..limits.page import FRONT_NOTE, ceiling_lines, form_table
from ..limits.roofline import Limits
from .base import Results, paragraph, table

__all__ = ["write"]


def write(results: Results) -> dict[str, str]:
    """The table of the forms on a front, and `ceilings`: what the machine allows."""
    found = results.document(Limits, "limits")
    heads, rows = form_table(found)
    on_front = [row for row in rows if any(cell.endswith("*") for cell in row)]
    count = sum(len(model.forms) for model in found.models)
    machine = f"{found.machine.said}, {found.measured_at[:10]}"
    ceilings = " ".join(ceiling_lines(found))
    said = f"{len(found.models)} generators in {count} forms on {machine}. {ceilings} {FRONT_NOTE}"
    return {"": table(heads, on_front), "ceilings": paragraph(said.replace(" * on", " `*`: on"))}
