"""What every family did on a GPU; written as `gpu-check.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ...bundle.json_documents import Document
from ...bundle.manifest import Timing, Verdict
from ...reporting.markdown import markdown_table
from ..shared.machine import Machine

__all__ = ["Check", "Row", "rows_of"]


class Row(Document):
    """One family in one runtime.

    Args:
        family: name of the family.
        name: name of the variant, or of the way that PyTorch ran.
        precision: its gate judged the pictures.
        verdict: on the probes; "not_run" with a reason if it does not run here.
        timings: for 1, 8 and 32 pictures; empty if it did not run.
    """

    family: str
    name: str
    precision: str
    verdict: Verdict
    timings: tuple[Timing, ...] = ()


class Check(Document):
    """All results; written to `benchmarks/results/gpu-check.json`.

    Args:
        schema_version: of this document.
        device: "cuda" or "cpu".
        rows: family by family.
        machine: where they were measured.
    """

    schema_version: Literal[1] = 1
    device: str
    rows: tuple[Row, ...]
    machine: Machine


def rows_of(check: Check) -> list[str]:
    """The table in Markdown."""
    columns = ("family", "runs in", "precision", "gate", "ms at 1", "images/s at 8", "at 32")
    return markdown_table(
        columns,
        (
            (row.family, row.name, row.precision, row.verdict.status.replace("_", " "), *_speeds(row.timings))
            for row in check.rows
        ),
    )


def _speeds(timings: Sequence[Timing]) -> list[str]:
    at = {timing.batch: timing for timing in timings}
    if not at:
        return ["–"] * 3
    return [f"{at[1].p50_ms:.2f}", *(f"{at[batch].images_per_second:,.0f}" for batch in (8, 32))]
