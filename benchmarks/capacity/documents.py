"""What `python -m litho.benchmarks.capacity` writes: predicted and measured points, with their errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Constraint

from ...bundle.json_documents import Document, read_as
from ..shared.cores import Cores
from ..shared.machine import Machine
from .costs import Costs
from .shape import Kind, Served, Site, Traffic

__all__ = ["ERROR", "RESULT", "CapacityResult", "Checked", "Figures", "Point", "Reach", "read_capacity"]

SCHEMA_VERSION = 1

RESULT = Path(__file__).resolve().parents[1] / "results" / "capacity.json"
"""The check that was measured last, which comes with the package."""

ERROR = 0.1
"""Largest error of a figure that counts as right, as a share of the measured one."""

_FEWEST_P95 = 200  # requests: ten are slower than the percentile


class Figures(Document):
    """What a point is, measured or predicted.

    Args:
        requests_per_second: answered.
        mean_ms, p50_ms: latency, from the scheduled time.
        p95_ms: likewise; None from fewer than 200 requests.
        mean_batch: rows of a batch; None where nobody counted.
        utilisation: share of the cores that client, server and instances used; None where nobody counted.
    """

    requests_per_second: float
    mean_ms: float
    p50_ms: float
    p95_ms: float | None
    mean_batch: float | None
    utilisation: float | None

    @classmethod
    def of(
        cls,
        latencies_ms: NDArray[np.float64],
        requests_per_second: float,
        mean_batch: float | None,
        utilisation: float,
    ) -> Figures:
        """Of latencies, FP64 of shape (requests,), not empty."""
        p50, p95 = np.quantile(latencies_ms, (0.5, 0.95), method="inverted_cdf").tolist()
        return cls(
            requests_per_second=requests_per_second,
            mean_ms=float(latencies_ms.mean()),
            p50_ms=p50,
            p95_ms=p95 if len(latencies_ms) >= _FEWEST_P95 else None,
            mean_batch=mean_batch,
            utilisation=utilisation,
        )

    @classmethod
    def together(cls, parts: Sequence[Figures], latencies_ms: NDArray[np.float64]) -> Figures:
        """The median of each figure over several windows: one in which the machine stalled does not count.

        Args:
            parts: of each window, at least one.
            latencies_ms: FP64 of shape (requests,), of all windows, for a p95 where one window has too few requests.
        """
        found = {}
        for name in cls.model_fields:
            values = [getattr(part, name) for part in parts]
            found[name] = None if None in values else float(np.median(values))
        if found["p95_ms"] is None and len(latencies_ms) >= _FEWEST_P95:
            found["p95_ms"] = float(np.quantile(latencies_ms, 0.95, method="inverted_cdf"))
        return cls(**found)

    def errors(self, other: Figures, *, rated: bool) -> dict[str, float]:
        """Figure -> this over the other's, less 1.

        Args:
            other: of the same load.
            rated: whether that is an open loop, whose throughput is given.
        """
        found = {}
        for name in (*(() if rated else ("requests_per_second",)), "p50_ms", "p95_ms"):
            mine, others = getattr(self, name), getattr(other, name)
            if mine is not None and others is not None:
                found[name] = mine / others - 1
        return found


class Point(Document):
    """One load, measured and predicted.

    Args:
        traffic: the load.
        requests: that were measured.
        fits: whether the costs come from this very load, which then proves nothing.
        measured, predicted: the figures.
        halves: figures of every other window, and of the windows between: how well a measurement repeats itself; empty
            where there was one window.
    """

    traffic: Traffic
    requests: int
    fits: bool = False
    measured: Figures
    predicted: Figures
    halves: tuple[Figures, ...] = ()

    @property
    def errors(self) -> dict[str, float]:
        """Figure -> predicted over measured, less 1; throughput of a closed loop, latencies of both."""
        return self.predicted.errors(self.measured, rated=self.traffic.rate is not None)

    @property
    def repeats(self) -> dict[str, float]:
        """Figure -> half of the windows over the other half, less 1; empty where there are no halves."""
        if len(self.halves) < 2:
            return {}
        first, second = self.halves
        return first.errors(second, rated=self.traffic.rate is not None)


class Checked(Document):
    """One way of serving one generator.

    Args:
        generator: name of its bundle.
        variant: that was served.
        served: how.
        costs: by which its points were predicted.
        points: the loads.
    """

    generator: str
    variant: str
    served: Served
    kinds: tuple[Kind, ...]
    costs: Costs
    points: Annotated[tuple[Point, ...], Constraint(min_length=1)]


class Reach(Document):
    """What one machine serves by itself, without a load generator on it.

    Args:
        generator: name of its bundle.
        served: how.
        p95_ms: bound on the 95th percentile of latency.
        highest_rate: requests a second at which it is met; 0 if it never is.
        limit: what the machine lacks first for more.
    """

    generator: str
    served: Served
    p95_ms: float
    highest_rate: float
    limit: str


class CapacityResult(Document):
    """Predictions against a live server; `benchmarks/results/capacity.json`.

    Args:
        schema_version: of this document.
        command: that made it.
        measured_at: ISO 8601, UTC.
        seconds: that it took.
        machine: that measured.
        site: its cores, as they were simulated.
        apart: which cores the server had, and which the load generator; None where they shared them.
        others: share of the machine that other programs used meanwhile, 0 to 1.
        checked: every way of serving.
        reach: what one machine serves.
    """

    schema_version: Literal[1] = 1
    command: str
    measured_at: str
    seconds: float
    machine: Machine
    site: Site
    apart: Cores | None = None
    others: float
    checked: Annotated[tuple[Checked, ...], Constraint(min_length=1)]
    reach: tuple[Reach, ...] = ()

    @property
    def errors(self) -> NDArray[np.float64]:
        """All errors of points that the costs do not come from, FP64 of shape (figures,)."""
        return np.array([error for point in self._predicted for error in point.errors.values()])

    @property
    def repeats(self) -> NDArray[np.float64]:
        """How far halves of the measurement are apart, FP64 of shape (figures,); empty if not known."""
        return np.array([error for point in self._predicted for error in point.repeats.values()])

    @property
    def _predicted(self) -> list[Point]:
        return [point for one in self.checked for point in one.points if not point.fits]

    @property
    def share(self) -> str:
        """How many figures are right, of how many."""
        errors = np.abs(self.errors)
        return f"{int((errors <= ERROR).sum())} of {len(errors)}"

    @property
    def sentence(self) -> str:
        """How many figures are right, and how wrong the others are."""
        errors = np.abs(self.errors)
        quiet = (
            "" if self.others < 0.05 else f"; other programs used {self.others:.0%} of the machine meanwhile"
        )
        again, repeated = np.abs(self.repeats), ""
        if len(again):
            same = int((again <= ERROR).sum())
            repeated = f"; measured twice, {same} of {len(again)} are within {ERROR:.0%} of themselves"
        return (
            f"{self.share} figures are predicted within {ERROR:.0%};"
            f" median error {np.median(errors):.1%}, largest {errors.max():.0%}{repeated}{quiet}"
        )


def read_capacity(path: Path) -> CapacityResult:
    """Read a `capacity.json`.

    Raises:
        SchemaError: the file is not such a document, or has a newer schema.
        IntegrityError: the file is missing or not an ordinary file.
    """
    return read_as(CapacityResult, "a check of capacity", path.parent, path.name, SCHEMA_VERSION)
