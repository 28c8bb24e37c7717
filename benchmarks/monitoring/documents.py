"""The document of the check: what each query said, and what it should have said."""

from __future__ import annotations

from typing import Literal

from ...bundle.json_documents import Document
from ..shared.machine import Machine

__all__ = ["Checked", "MonitoringResult", "Waited"]


class Checked(Document):
    """One series of one query.

    Args:
        kind: "rule", "alert", "panel" or "scaling".
        query: name of the recorded series or alert; of a panel its title and the letter of the query.
        labels: of the series, in PromQL's form.
        value: what Prometheus said; None if the series is absent.
        low, high: between which it should be; both None where there should be no such series.
        source: where the right number comes from.
    """

    kind: str
    query: str
    labels: str
    value: float | None
    low: float | None
    high: float | None
    source: str

    @property
    def right(self) -> bool:
        """Whether the value is what it should be."""
        if self.value is None or self.low is None or self.high is None:
            return self.value is None and self.low is None
        return self.low <= self.value <= self.high


class Waited(Document):
    """How long requests of one model waited, and how long they took, by each witness; seconds.

    Args:
        model: its name.
        in_flight: whether its sampler is batched in flight.
        requests: answered under load, by the load generator's count.
        prometheus_wait, prometheus_answer: what the recording rules say.
        statistics_wait: by Triton's statistics, which are read over gRPC.
        little_wait: by Little's law, from the rows that wait and the pictures of a second; None for whole requests.
        client_answer: mean latency of the load generator.
        published_wait: what the published autoscaling rule says, which takes Triton's queue time of 30 s over one
            more than its requests, on average over all models.
    """

    model: str
    in_flight: bool
    requests: int
    prometheus_wait: float
    prometheus_answer: float
    statistics_wait: float
    little_wait: float | None
    client_answer: float
    published_wait: float

    @property
    def times(self) -> tuple[float | None, ...]:
        """The four waits and the two answers, in the order of the tables' columns."""
        return (
            self.prometheus_wait,
            self.statistics_wait,
            self.little_wait,
            self.published_wait,
            self.prometheus_answer,
            self.client_answer,
        )


class MonitoringResult(Document):
    """All checks; written as `monitoring.json`.

    Args:
        schema_version: of this document.
        command: that made it, without paths.
        seconds: length of the load.
        interval: seconds between two scrapes.
        checked: every series of every query.
        waited: of each model.
        fired: alert -> seconds after its fault, with all times of the rules divided by `fault_factor`.
        missed: alerts that should have fired and did not.
        fault_factor: divides the times of the rules for `fired`.
        problems: what was wrong, in one line each; empty if all is right.
        machine: where it was measured.
    """

    schema_version: Literal[1] = 1
    command: str
    seconds: float
    interval: float
    checked: tuple[Checked, ...]
    waited: tuple[Waited, ...]
    fired: dict[str, float]
    missed: tuple[str, ...]
    fault_factor: float
    problems: tuple[str, ...]
    machine: Machine
