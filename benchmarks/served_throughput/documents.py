"""What serving costs; written as `served-throughput.json`."""

from __future__ import annotations

import statistics
from typing import Literal

from ...bundle.json_documents import Document
from ...reporting.markdown import markdown_table
from ..shared.machine import Machine

__all__ = ["Round", "Served", "ServedThroughput", "table"]


class Round(Document):
    """One turn of the server and one of this process.

    Args:
        served: pictures per second through the server.
        in_process: pictures per second of the runner in this process, at the batch that the server formed.
        mean_batch: pictures in a batch of the server.
        cpu_ms: part -> processor time for one picture, in milliseconds: "in process", "stubs", "server" and
            "load generator". Unlike throughput it hardly depends on what else the machine does.
    """

    served: float
    in_process: float
    mean_batch: float
    cpu_ms: dict[str, float]

    @property
    def ratio(self) -> float:
        """Served / in process."""
        return self.served / self.in_process


class Served(Document):
    """One bundle.

    Args:
        name: of the bundle.
        variant: that was served.
        instances: of the model.
        threads: of each instance.
        at_least: the ratio that was asked for; None for none.
        rounds: in the order of measurement.
        cold_start_seconds: from the start of the server to the first answer, of each start.
    """

    name: str
    variant: str
    instances: int
    threads: str
    at_least: float | None
    rounds: tuple[Round, ...]
    cold_start_seconds: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median over the rounds of served / in process."""
        return statistics.median(one.ratio for one in self.rounds)

    @property
    def passed(self) -> bool:
        """Whether the ratio is at least what was asked for."""
        return self.at_least is None or self.ratio >= self.at_least


class ServedThroughput(Document):
    """All bundles; written as `served-throughput.json`.

    Args:
        schema_version: of this document.
        generator: "perf_analyzer" or "litho bench".
        clients: requests kept in flight.
        bundles: in the order given.
        machine: where they were measured.
    """

    schema_version: Literal[1] = 1
    generator: str
    clients: int
    bundles: tuple[Served, ...]
    machine: Machine


def table(result: ServedThroughput) -> list[str]:
    """A table in Markdown, one line for each bundle: medians over the rounds."""
    rows = []
    for one in result.bundles:
        served, local, batch = (
            statistics.median(getattr(each, name) for each in one.rounds)
            for name in ("served", "in_process", "mean_batch")
        )
        low, high = (pick(each.ratio for each in one.rounds) for pick in (min, max))
        wanted = "" if one.at_least is None else f"{one.at_least:.2f}"
        cold = f"{statistics.median(one.cold_start_seconds):.2f}"
        ratio = f"{one.ratio:.2f} ({low:.2f} to {high:.2f})"
        rows.append((one.name, f"{served:,.0f}", f"{local:,.0f}", f"{batch:.1f}", ratio, wanted, cold))
    heads = ("bundle", "served images/s", "in process", "batch", "ratio", "at least", "cold start, s")
    return markdown_table(heads, rows)
