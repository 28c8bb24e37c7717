"""What pictures cost: the price of a machine's hour, given as a number or looked up in a table of prices."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from ....errors import UsageError
from ....files import read_text
from ...shared.machine import Machine
from .result import Cost

__all__ = ["Price", "price_of"]

_COLUMNS = ("machine", "per_hour", "currency")
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Price:
    """The price of a machine.

    Args:
        per_hour: above 0.
        currency: such as "USD"; empty if it was not said.
        source: where it comes from.
    """

    per_hour: float
    currency: str
    source: str

    def at(self, images_per_second: float) -> Cost:
        """The cost of pictures at this throughput."""
        return Cost(
            per_hour=self.per_hour,
            currency=self.currency,
            source=self.source,
            images_per_second=images_per_second,
        )


def price_of(given: str, machine: Machine) -> Price:
    """The price of an hour of a machine.

    Args:
        given: a number above 0; or a CSV file with the columns machine, per_hour and, if wanted, currency. The row
            counts whose `machine` is part of the name of one of the machine's GPUs, or, where it has none, of its
            processor; upper and lower case are alike.
        machine: that was measured.

    Raises:
        UsageError: it is neither, a price is not above 0, or not exactly one row is of this machine.
    """
    if (number := _number(given)) is not None:
        return Price(number, "", "--price")
    path = Path(given)
    if not path.is_file():
        raise UsageError(
            f"--price was given {given!r}; it takes a price per hour above 0, or a CSV file with the columns"
            f" {', '.join(_COLUMNS[:2])} and {_COLUMNS[2]}"
        )
    rows = _rows(path)
    names = machine.gpus or (machine.processor,)
    found = [row for row in rows if any(row["machine"].lower() in name.lower() for name in names)]
    if len(found) != 1:
        raise UsageError(
            f"{path} has {len(found)} rows for {'; '.join(names)}; it takes one whose 'machine' is part of that name"
            f" (it has: {', '.join(row['machine'] for row in rows)})"
        )
    (row,) = found
    return Price(_priced(path, row), row.get("currency") or "", f"{path.name}, {row['machine']}")


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        rows = list(csv.DictReader(read_text(path, _MOST_BYTES).splitlines()))
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{path} is no table of prices: {error}") from None
    if not rows or not {"machine", "per_hour"} <= set(rows[0]) or not all(row["machine"] for row in rows):
        raise UsageError(
            f"{path} is no table of prices; it takes lines 'machine,per_hour,currency' below such a line"
        )
    return rows


def _priced(path: Path, row: dict[str, str]) -> float:
    if (number := _number(row["per_hour"])) is None:
        raise UsageError(
            f"{path} has price {row['per_hour']!r} for {row['machine']!r}; it takes a number above 0"
        )
    return number


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 < number < math.inf else None
