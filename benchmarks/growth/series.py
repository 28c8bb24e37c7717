"""How a quantity grows with a number: the documents that hold what was measured and how it was fitted."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ...bundle.json_documents import Document
from ...reporting.markdown import markdown_table
from ..shared.machine import Machine
from .power_law import Growth, fit_growth

__all__ = ["Against", "Grown", "GrowthResult", "Series", "rows"]

Against = Literal["batch", "pixels", "steps", "clients", "models"]
"""What something grows with."""


class Grown(Document):
    """What was measured at one point.

    Args:
        x: the number that grows.
        values: what was measured there, turn by turn.
    """

    x: int
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median of the values."""
        return statistics.median(self.values)


class Series(Document):
    """One quantity against one number.

    Args:
        name: of the generator.
        form: runner, variant and version.
        against: what grows.
        quantity: what is measured, with its unit.
        points: by x, ascending.
        growth: the fit.
        left_out: numbers that were not measured, and why; empty if all were.
    """

    name: str
    form: str
    against: Against
    quantity: str
    points: tuple[Grown, ...]
    growth: Growth
    left_out: str = ""

    @classmethod
    def of(cls, measured: Mapping[int, Sequence[float]], **facts: Any) -> Series:
        """The series of what was measured, fitted.

        Args:
            measured: x -> values there.
            facts: the other fields.
        """
        return cls(
            points=tuple(Grown(x=x, values=tuple(measured[x])) for x in sorted(measured)),
            growth=fit_growth({float(x): values for x, values in measured.items()}),
            **facts,
        )


class GrowthResult(Document):
    """All series of one machine; written as `growth.json`.

    Args:
        schema_version: of this document.
        command: that made it.
        measured_at: date and time in ISO 8601, UTC.
        seconds: that it took, exports aside.
        threads: of each runtime in this process.
        machine: where it was measured.
        series: in the order measured.
    """

    schema_version: Literal[1] = 1
    command: str
    measured_at: str
    seconds: float
    threads: int
    machine: Machine
    series: tuple[Series, ...]

    def find(self, against: Against, name: str = "") -> tuple[Series, ...]:
        """The series against something; of one generator if `name` is given."""
        return tuple(one for one in self.series if one.against == against and name in ("", one.name))


def rows(result: GrowthResult) -> list[str]:
    """A table in Markdown, one line for each series."""
    table = []
    for one in result.series:
        first, last = one.points[0], one.points[-1]
        table.append(
            (
                one.name,
                one.quantity,
                f"{one.against}, {first.x:,} to {last.x:,}",
                f"{first.median:,.4g} to {last.median:,.4g}",
                str(one.growth),
            )
        )
    return markdown_table(("generator", "quantity", "against", "measured", "grows as"), table)
