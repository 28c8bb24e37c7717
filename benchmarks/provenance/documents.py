"""Pictures of the gateway that were made again, and alterations that were found out; written as `provenance.json`."""

from __future__ import annotations

from typing import Literal

from ...bundle.json_documents import Document
from ...reporting.markdown import markdown_table
from ..shared.machine import Machine

__all__ = ["Found", "Provenance", "Way", "table"]


class Way(Document):
    """All pictures, made again in one way.

    Args:
        way: in words.
        grade: what the variant promises that made them again.
        pictures: that were made again.
        same: of these, the ones that are the same picture.
        identical: of these, those of which every value is equal.
        most_levels: largest difference of a value of a lossless file, in grey levels.
        least_psnr_db: smallest PSNR of a lossless file.
    """

    way: str
    grade: str
    pictures: int
    same: int
    identical: int
    most_levels: int
    least_psnr_db: float

    @property
    def cells(self) -> tuple[str, ...]:
        """Cells of its row in a table."""
        return (
            self.way,
            self.grade,
            f"{self.same} of {self.pictures}",
            f"{self.identical}",
            f"{self.most_levels}",
            f"{self.least_psnr_db:.1f}",
        )


class Found(Document):
    """Alterations of one kind, and how many were found out.

    Args:
        kind: in words.
        altered: how many.
        found: how many of them.
    """

    kind: str
    altered: int
    found: int


class Provenance(Document):
    """All of it; written as `provenance.json`.

    Args:
        schema_version: of this document.
        bundle: its name.
        ways: of making again.
        alterations: that were tried.
        machine: where it was measured.
    """

    schema_version: Literal[1] = 1
    bundle: str
    ways: tuple[Way, ...]
    alterations: tuple[Found, ...]
    machine: Machine

    @property
    def problems(self) -> list[str]:
        """What is not as it should be."""
        weak = [
            f"{way.same} of {way.pictures} are the same {way.way}"
            for way in self.ways
            if way.same < way.pictures and way.grade == "same picture"
        ]
        missed = [
            f"{one.altered - one.found} of {one.altered} were missed: {one.kind}"
            for one in self.alterations
            if one.found < one.altered
        ]
        return weak + missed


def table(result: Provenance) -> list[str]:
    """The result as a table in Markdown."""
    heads = ["made again", "promises", "same", "identical", "max difference", "least PSNR, dB"]
    altered = [f"{one.kind}: {one.found} of {one.altered} found out" for one in result.alterations]
    return [*markdown_table(heads, [way.cells for way in result.ways]), "", *altered]
