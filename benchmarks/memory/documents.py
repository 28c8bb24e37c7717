"""What memory did under a long load; written as `soak.json`."""

from __future__ import annotations

from typing import Literal

from ...bundle.json_documents import Document
from ...reporting import human_bytes
from ...reporting.markdown import markdown_table
from ..load.documents.result import SoakResult
from ..shared.machine import Machine

__all__ = ["FIGURES", "MOST_GROWTH", "SHARED", "MemoryRun", "MemoryRuns", "problems", "table"]

MOST_GROWTH = 0.05
"""Largest growth of resident memory after it has settled, as a share; a leak of a picture a request is far larger."""
FIGURES = {"client": "client_bytes", "server and stubs": "server_bytes", "stubs": "children_bytes"}
SHARED = "shared_memory_bytes"


class MemoryRun(Document):
    """One way of serving under a long load.

    Args:
        name: of the model and its batching.
        soak: what was measured.
        problems: what grew, failed or was left behind; empty if nothing.
        machine: where it was measured.
    """

    name: str
    soak: SoakResult
    problems: tuple[str, ...]
    machine: Machine


class MemoryRuns(Document):
    """All ways of serving that were measured; written as `soak.json`."""

    schema_version: Literal[1] = 1
    runs: tuple[MemoryRun, ...] = ()

    def with_run(self, run: MemoryRun) -> MemoryRuns:
        """A copy in which the run replaces the one of its name."""
        others = (one for one in self.runs if one.name != run.name)
        return self.model_copy(update={"runs": (*others, run)})


def problems(result: SoakResult) -> list[str]:
    """What grew by more than 5 % after it had settled, or failed; shared memory may not grow at all."""
    found = [f"{count} requests failed: {message}" for message, count in result.errors.items()]
    for name, figure in FIGURES.items():
        growth = result.growth_of(figure)
        if growth is None or growth > MOST_GROWTH:
            found.append(
                f"memory of {name} grew by {'an unknown share' if growth is None else f'{growth:.1%}'}"
            )
    if result.growth_of(SHARED) != 0 and getattr(result.samples[-1], SHARED) > getattr(
        result.settled, SHARED
    ):
        found.append("shared memory grew")
    return found


def table(result: SoakResult) -> list[str]:
    """A table in Markdown: each figure when it had settled and at the end."""
    moments = {
        f"after {result.settled.requests * result.batch:,} pictures": result.settled,
        "at the end": result.samples[-1],
    }
    rows = [
        (name, *(human_bytes(getattr(sample, figure) or 0) for sample in moments.values()))
        for name, figure in {**FIGURES, "shared memory": SHARED}.items()
    ]
    return markdown_table(("", *moments), rows)
