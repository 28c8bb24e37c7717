"""What load generators measured of a gateway; written as `gateway-instruments.json`."""

from __future__ import annotations

from statistics import median
from typing import Literal

from ...bundle.json_documents import Document
from ...reporting.markdown import markdown_table
from ..perf_analyzer.documents import Side
from ..shared.cores import Cores
from ..shared.machine import Machine

__all__ = ["Compared", "GatewayInstrumentsResult", "Round", "WayName", "lines"]

WayName = Literal["tensors", "images"]


class Round(Document):
    """Both tools, one after the other.

    Args:
        litho, theirs: what each measured.
        litho_gateway_ms, theirs_gateway_ms: mean time of a request inside the gateway meanwhile, by its own figures.
    """

    litho: Side
    theirs: Side
    litho_gateway_ms: float
    theirs_gateway_ms: float

    def ratio(self, figure: str) -> float:
        """litho / the other tool."""
        return self.litho.ratio(self.theirs, figure)


class Compared(Document):
    """One way through the gateway with one number of clients.

    Args:
        bundle: its name.
        way: "tensors" or "images".
        tool: the other tool.
        clients: requests kept in flight.
        rounds: in the order of measurement.
    """

    bundle: str
    way: WayName
    tool: str
    clients: int
    rounds: tuple[Round, ...]

    def ratio(self, figure: str) -> float:
        """Median over the rounds of litho / the other tool."""
        return median(one.ratio(figure) for one in self.rounds)


class GatewayInstrumentsResult(Document):
    """All comparisons; written as `gateway-instruments.json`.

    Args:
        schema_version: of this document.
        command: that made it, without paths.
        seconds: length of each measurement.
        compared: of all bundles, ways and numbers of clients.
        machine: where they were measured.
        cores: of server and gateway, and of the tools; None where they shared all.
    """

    schema_version: Literal[1] = 1
    command: str
    seconds: float
    compared: tuple[Compared, ...]
    machine: Machine
    cores: Cores | None = None


def lines(result: GatewayInstrumentsResult) -> list[str]:
    """A table in Markdown: medians over the rounds of litho / the other tool."""
    rows = [
        (
            one.bundle,
            one.way,
            one.tool,
            str(one.clients),
            f"{median(each.theirs.requests_per_second for each in one.rounds):,.0f}",
            *(f"{one.ratio(figure):.2f}" for figure in ("requests_per_second", "p50_ms", "p99_ms")),
            f"{median(each.theirs_gateway_ms for each in one.rounds):.1f}",
            f"{median(each.litho_gateway_ms for each in one.rounds):.1f}",
        )
        for one in result.compared
    ]
    head = ("bundle", "way", "tool", "clients", "requests/s", "litho / tool", "p50", "p99")
    return markdown_table((*head, "in the gateway, ms", "the same with litho"), rows)
