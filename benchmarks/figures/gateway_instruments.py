"""docs/gateway.md: the gateway measured by NVIDIA's load generators."""

from __future__ import annotations

from statistics import median

from ..gateway_instruments.documents import GatewayInstrumentsResult
from .base import Results, paragraph, table, three_digits, whole

__all__ = ["write"]

_HEAD = (
    "generator",
    "way",
    "tool",
    "clients",
    "requests/s",
    "litho's rate / its",
    "p50",
    "p99",
    "in the gateway, ms",
    "with litho's load",
)


def write(results: Results) -> dict[str, str]:
    """The table, and where it was measured."""
    result = results.document(GatewayInstrumentsResult, "gateway-instruments")
    rows = [
        (
            f"`{one.bundle}`",
            one.way,
            one.tool,
            str(one.clients),
            whole(median(each.theirs.requests_per_second for each in one.rounds)),
            *(f"{one.ratio(figure):.2f}" for figure in ("requests_per_second", "p50_ms", "p99_ms")),
            three_digits(median(each.theirs_gateway_ms for each in one.rounds)),
            three_digits(median(each.litho_gateway_ms for each in one.rounds)),
        )
        for one in result.compared
    ]
    cores = f"{result.machine.cores} cores, which tool, gateway and server share"
    if result.cores is not None:
        cores = result.cores.said("server and gateway", "the tools")
    count = len(result.compared[0].rounds)
    rounds = "One round" if count == 1 else f"Medians of {count} rounds"
    said = f"{rounds} of {result.seconds:g} s in turns, on {result.machine.processor}: {cores}."
    return {"": table(_HEAD, rows), "where": paragraph(said)}
