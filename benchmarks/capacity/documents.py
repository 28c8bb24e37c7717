"""What `python -m litho.benchmarks.capacity` writes: predicted and measured points, with their errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Constraint

from ...bundle.json_documents import Document, read_as
from ...reporting.markdown import markdown_table
from ..shared.command import RESULTS
from ..shared.cores import Cores
from ..shared.machine import Machine
from .costs import Costs
from .recorded import Recording
from .shape import Kind, Served, Site, Traffic

__all__ = [
    "DISTURBED",
    "ERROR",
    "FEWEST_WINDOWS",
    "RESULT",
    "CapacityResult",
    "Checked",
    "Figures",
    "Point",
    "Reach",
    "read_capacity",
    "rows",
]

SCHEMA_VERSION = 1

RESULT = RESULTS / "capacity.json"
"""The check that was measured last; a checkout has it, a wheel does not."""

ERROR = 0.1
"""Largest error of a figure that counts as right, as a share of the measured one."""

DISTURBED = 0.05
"""Share of the machine for others above which a window is measured again, and a result says so."""

FEWEST_WINDOWS = 3
"""Fewest windows of a load from which an interval is given."""

_FEWEST_P95 = 200  # requests: ten are slower than the percentile
_RESAMPLES = 400


class Figures(Document):
    """What a point is, measured or predicted.

    Args:
        requests_per_second: answered.
        mean_ms, p50_ms: latency, from the scheduled time.
        p95_ms: likewise; None from fewer than 200 requests.
        mean_batch: rows of a batch; None where nobody counted.
        utilisation: share of the cores that client, server and instances used; None where nobody counted.
        client_ms, server_ms, instances_ms: processor time of each for a request; None where nobody counted.
    """

    requests_per_second: float
    mean_ms: float
    p50_ms: float
    p95_ms: float | None
    mean_batch: float | None
    utilisation: float | None
    client_ms: float | None = None
    server_ms: float | None = None
    instances_ms: float | None = None

    @classmethod
    def of(
        cls,
        latencies_ms: NDArray[np.float64],
        requests_per_second: float,
        mean_batch: float | None,
        utilisation: float,
    ) -> Figures:
        """The figures of latencies, FP64 of shape (requests,), not empty."""
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

    @classmethod
    def interval(
        cls, parts: Sequence[Figures], latencies_ms: Sequence[NDArray[np.float64]]
    ) -> tuple[Figures, Figures] | None:
        """Ends of the 95 % interval of `together`, by a bootstrap over the windows; None from fewer than three.

        Percentile method (Efron and Tibshirani 1993, 13.3). From five windows or fewer it is their range, which holds
        the true median less often: 1 - 2^(1 - n) of the time, 75 % for three windows and 94 % for five. The same
        windows give the same interval.

        Args:
            parts: of each window.
            latencies_ms: of each window, FP64 of shape (requests,).
        """
        if len(parts) < FEWEST_WINDOWS:
            return None
        drawn = np.random.default_rng(0).integers(0, len(parts), (_RESAMPLES, len(parts)))
        found = [
            cls.together([parts[one] for one in each], np.concatenate([latencies_ms[one] for one in each]))
            for each in drawn
        ]
        ends = list[Figures]()
        for share in (0.025, 0.975):
            values = {name: [getattr(one, name) for one in found] for name in cls.model_fields}
            ends.append(
                cls.model_validate(
                    {
                        name: None if None in each else float(np.quantile(each, share))
                        for name, each in values.items()
                    }
                )
            )
        return ends[0], ends[1]


class Point(Document):
    """One load, measured and predicted.

    Args:
        traffic: the load.
        requests: that were measured.
        fits: whether the costs come from this very load, which then proves nothing.
        measured: the median of each figure over the windows.
        predicted: the figures of the simulation.
        interval: ends of the 95 % interval of the measured figures; None from fewer than three windows.
        windows: measured figures of each; empty in documents of older releases, which took all windows as one.
    """

    traffic: Traffic
    requests: int
    fits: bool = False
    measured: Figures
    predicted: Figures
    interval: tuple[Figures, Figures] | None = None
    windows: tuple[Figures, ...] = ()

    @property
    def errors(self) -> dict[str, float]:
        """Figure -> predicted over measured, less 1; throughput of a closed loop, latencies of both."""
        names = ("p50_ms", "p95_ms") if self.traffic.rate else ("requests_per_second", "p50_ms", "p95_ms")
        pairs = {name: (getattr(self.predicted, name), getattr(self.measured, name)) for name in names}
        return {name: ours / real - 1 for name, (ours, real) in pairs.items() if None not in (ours, real)}

    @property
    def noise(self) -> dict[str, float]:
        """Figure of `errors` -> distance of the farther end of its interval, as a share of the measured figure."""
        found = dict[str, float]()
        for name in self.errors:
            ends = [getattr(end, name) for end in self.interval or ()]
            if ends and None not in ends:
                real = getattr(self.measured, name)
                found[name] = max(abs(end / real - 1) for end in ends)
        return found


class Checked(Document):
    """One way of serving one generator.

    Args:
        generator: name of its bundle.
        variant: that was served.
        served: how.
        kinds: of its requests.
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
        others: share of the machine that other programs and other machines on the same host used, mean of the windows,
            0 to 1.
        repeated: windows that were measured again because that share was too large.
        disturbed: windows that count although it was: they had been measured again often enough, or time was up.
        checked: every way of serving.
        reach: what one machine serves.
        recordings: from which `--from` finds costs and predictions again; empty in documents of older releases.
    """

    schema_version: Literal[1] = 1
    command: str
    measured_at: str
    seconds: float
    machine: Machine
    site: Site
    apart: Cores | None = None
    others: float
    repeated: int = 0
    disturbed: int = 0
    checked: Annotated[tuple[Checked, ...], Constraint(min_length=1)]
    reach: tuple[Reach, ...] = ()
    recordings: tuple[Recording, ...] = ()

    @property
    def errors(self) -> NDArray[np.float64]:
        """All errors of points that the costs do not come from, FP64 of shape (figures,)."""
        return np.array([error for point in self._predicted for error in point.errors.values()])

    @property
    def known(self) -> NDArray[np.float64]:
        """Those of `errors` whose measured figure has an interval within 10 % of it, FP64 of shape (figures,)."""
        return np.array(
            [
                error
                for point in self._predicted
                for name, error in point.errors.items()
                if point.noise.get(name, np.inf) <= ERROR
            ]
        )

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
        return (
            f"{self.share} figures are predicted within {ERROR:.0%};"
            f" median error {np.median(errors):.1%}, largest {errors.max():.0%}{self._certain}{self._disturbed}"
        )

    @property
    def _certain(self) -> str:
        """How many figures the machine repeats, and how many of these are right."""
        if all(point.interval is None for point in self._predicted):
            return ""
        known = np.abs(self.known)
        return (
            f"; the machine repeats {len(known)} of the {len(self.errors)} (95% interval within {ERROR:.0%}), and of"
            f" these {int((known <= ERROR).sum())} are predicted within {ERROR:.0%}"
        )

    @property
    def _disturbed(self) -> str:
        found = ""
        if self.others > DISTURBED:
            found += f"; others used {self.others:.0%} of the machine meanwhile"
        if self.disturbed:
            found += f"; {self.disturbed} windows count although the machine was disturbed"
        return found


def read_capacity(path: Path) -> CapacityResult:
    """Read a `capacity.json`.

    Raises:
        SchemaError: the file is not such a document, or has a newer schema.
        IntegrityError: the file is missing or not an ordinary file.
    """
    return read_as(CapacityResult, "a check of capacity", path.parent, path.name, SCHEMA_VERSION)


def rows(result: CapacityResult) -> list[str]:
    """A table in Markdown, one line for each load: predicted / measured (interval), and the largest error."""
    table = [
        (
            one.generator,
            one.served.name,
            point.traffic.name,
            *(_pair(point, name) for name in ("requests_per_second", "p50_ms", "p95_ms")),
            "(costs)" if point.fits else f"{max(map(abs, point.errors.values())):.0%}",
        )
        for one in result.checked
        for point in one.points
    ]
    figures = ("requests/s", "p50, ms", "p95, ms", "error")
    return markdown_table(("generator", "served", "load", *figures), table)


def _pair(point: Point, name: str) -> str:
    ours, real, *ends = (
        getattr(one, name) for one in (point.predicted, point.measured, *(point.interval or ()))
    )
    if ours is None or real is None:
        return "-"
    within = f" ({ends[0]:,.4g} to {ends[1]:,.4g})" if ends and None not in ends else ""
    return f"{ours:,.4g} / {real:,.4g}{within}"
