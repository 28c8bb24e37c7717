"""docs/scale.md: predictions against a live server, and what machines serve by them."""

from __future__ import annotations

import math

from ..capacity.documents import CapacityResult, rows
from ..shared.machine import count_of_cores
from .base import Results, paragraph, table, whole

__all__ = ["write"]

_RATES = (100, 1_000, 10_000, 100_000)
_HEADROOM = 0.2


def write(results: Results) -> dict[str, str]:
    """The table of points, what they say, where they were measured, and the table of machines."""
    found = results.document(CapacityResult, "capacity")
    machine = f"{found.machine.said}, {found.measured_at[:10]}"
    said = f"{found.sentence[0].upper()}{found.sentence[1:]}. {_cores(found)}{_older(found)}"
    return {
        "": "\n".join(rows(found)),
        "where": paragraph(f"`{found.command}` on {machine}. {said}"),
        "machines": _machines(found),
        "share": found.share,
    }


def _cores(found: CapacityResult) -> str:
    if found.apart is None:
        return "Server and load generator shared the cores."
    server, clients = (count_of_cores(len(part)) for part in (found.apart.server, found.apart.clients))
    return f"The server had {server} of its own, and the load generator {clients}."


def _older(found: CapacityResult) -> str:
    if any(point.windows for one in found.checked for point in one.points):
        return ""
    return " An earlier version measured and predicted this: each figure is of all rounds as one, and has no interval."


def _machines(found: CapacityResult) -> str:
    head = [
        "generator",
        "served",
        "p95, ms",
        f"requests/s of {count_of_cores(found.site.cores)}",
        *(f"{rate:,}/s" for rate in _RATES),
        "limit",
    ]
    lines = [
        [
            one.generator,
            one.served.name,
            whole(one.p95_ms),
            f"{one.highest_rate:,.4g}",
            *(_count(rate, one.highest_rate) for rate in _RATES),
            one.limit,
        ]
        for one in found.reach
    ]
    return table(head, lines)


def _count(rate: float, highest: float) -> str:
    return whole(math.ceil(rate / (highest * (1 - _HEADROOM)))) if highest else "-"
