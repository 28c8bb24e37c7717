"""docs/serving.md: what clients see of faults of a server under load."""

from __future__ import annotations

from ..faults.documents import Faults
from .base import Results, table

__all__ = ["write"]

_HEAD = (
    "fault, under load from 9 clients",
    "failed of `tritonclient`",
    "failed of litho's client",
    "whole again after s",
)


def write(results: Results) -> dict[str, str]:
    """The table, how many faults it has, and the machine."""
    found = results.document(Faults, "faults")
    faults = found.faults
    rows = []
    for one in faults:
        raw, own = one.clients["raw"], one.clients["litho"]
        failed = f"{raw.failed:,} of {raw.requests:,}"
        rows.append((one.title, failed, f"{own.failed:,}", f"{one.seconds_to_whole:.1f}"))
    return {"": table(_HEAD, rows), "count": str(len(faults)), "machine": found.machine.said}
