"""docs/provenance.md: pictures of the gateway that were made again, and alterations that were found out."""

from __future__ import annotations

from ..provenance.documents import Provenance
from .base import Results, paragraph, table

__all__ = ["write"]

_HEAD = (
    "made again",
    "promises",
    "same",
    "every value equal",
    "max difference, grey levels",
    "least PSNR, dB",
)


def write(results: Results) -> dict[str, str]:
    """The table of the ways, and `found`: what was altered, and the machine."""
    found = results.document(Provenance, "provenance")
    altered = "; ".join(f"{one.kind}, {one.found} of {one.altered} times" for one in found.alterations)
    machine = f"{found.machine.processor}, {found.machine.cores} cores"
    wrong = "" if not found.problems else f" **Not as promised: {'; '.join(found.problems)}.**"
    return {
        "": table(_HEAD, (way.cells for way in found.ways)),
        "found": paragraph(f"Bundle {found.bundle} on {machine}. Found out: {altered}.{wrong}"),
    }
