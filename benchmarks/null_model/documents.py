"""What both load generators reached of a model that does nothing; written as `null-model.json`."""

from __future__ import annotations

from statistics import median
from typing import Literal

from ...bundle.json_documents import Document
from ...reporting.markdown import markdown_table
from ..perf_analyzer.documents import Protocol, Round
from ..shared.machine import Machine

__all__ = ["AT_LEAST", "NullModel", "NullModelResult", "lines"]


AT_LEAST = 0.8
"""Share of perf_analyzer's rate that is asked for."""


class NullModel(Document):
    """Both tools over one protocol.

    Args:
        protocol: "grpc" or "http".
        rounds: in the order of measurement.
    """

    protocol: Protocol
    rounds: tuple[Round, ...]

    @property
    def ratio(self) -> float:
        """Median over the rounds of litho's rate / perf_analyzer's."""
        return median(one.ratio("requests_per_second") for one in self.rounds)


class NullModelResult(Document):
    """All protocols; written as `null-model.json`.

    Args:
        schema_version: of this document.
        command: that made it.
        clients: requests kept in flight.
        seconds: length of each measurement.
        protocols: what the requests travelled over.
        machine: where they were measured.
    """

    schema_version: Literal[1] = 1
    command: str
    clients: int
    seconds: float
    protocols: tuple[NullModel, ...]
    machine: Machine

    @property
    def passed(self) -> bool:
        """Whether litho's rate is near enough to perf_analyzer's."""
        return all(one.ratio >= AT_LEAST for one in self.protocols)


def lines(result: NullModelResult) -> list[str]:
    """A table in Markdown: medians over the rounds."""
    rows = [
        (
            one.protocol,
            *(
                f"{median(getattr(each, tool).requests_per_second for each in one.rounds):,.0f}"
                for tool in ("litho", "perf_analyzer")
            ),
            f"{one.ratio:.2f}",
            f"{AT_LEAST:.2f}",
            f"{median(each.in_flight for each in one.rounds) / result.clients:.3f}",
            f"{median(each.client_cpu_us for each in one.rounds):.0f}",
        )
        for one in result.protocols
    ]
    heads = (
        "protocol",
        "litho, requests/s",
        "perf_analyzer",
        "ratio",
        "at least",
        "in flight",
        "client CPU, µs",
    )
    return markdown_table(heads, rows)
