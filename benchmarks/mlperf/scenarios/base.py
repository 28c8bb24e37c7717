"""The protocol of LoadGen's scenarios, and how to find one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ....plugins import load_plugin, plugin_names
from ..documents import Trial
from ..process import Driver, Run

__all__ = ["Scenario", "Trials", "Wanted", "open_scenario", "scenario_names"]

_PACKAGE = "litho.benchmarks.mlperf.scenarios"

Settings = Mapping[str, int | float]


@dataclass(frozen=True)
class Wanted:
    """What is asked of a scenario.

    Args:
        seconds: shortest length of the run that counts.
        bound_ms: largest 99th percentile of the latency in Server.
        rate: samples per second of an earlier scenario, from which a search starts; None if none was measured.
    """

    seconds: float
    bound_ms: float
    rate: float | None = None


@dataclass
class Trials:
    """A search: its runs so far, and the one that counts.

    Args:
        final: the run that counts; None while there is none.
        list: the runs that led to it.
        settings: of the last run.
    """

    final: Run | None = None
    list: list[Trial] = field(default_factory=list)
    settings: Settings = field(default_factory=dict)


class Scenario(ABC):
    """How LoadGen asks; each module of this folder has a subclass `Scenario`.

    Attributes:
        name: of the module, with "-" in place of "_".
        loadgen: LoadGen's name.
        order: place among the scenarios; a later one may use the rates of earlier ones.
        metric: LoadGen's name of the figure that the scenario is about, in `Summary.figures`.
        unit: "ms" for a latency, which LoadGen gives in nanoseconds, or "samples/s".
        samples_per_query: pictures of a query.
        window: largest number of requests in flight; None for as many as LoadGen asks for.
    """

    name: ClassVar[str]
    loadgen: ClassVar[str]
    order: ClassVar[int]
    metric: ClassVar[str]
    unit: ClassVar[str]
    samples_per_query: ClassVar[int] = 1
    window: ClassVar[int | None] = None

    @abstractmethod
    def measure(self, driver: Driver, wanted: Wanted) -> Trials:
        """Make the run that counts, after a search where the scenario needs one.

        Raises:
            EndpointError: not one request succeeded.
            LithoError: the process of LoadGen failed.
        """

    def value(self, run: Run) -> float | None:
        """The figure of a run in the scenario's unit; None if LoadGen says none."""
        if run.summary is None or (figure := run.summary.figures.get(self.metric)) is None:
            return None
        return figure * 1e-6 if self.unit == "ms" else figure


def scenario_names() -> tuple[str, ...]:
    """Names of the scenarios in the order in which they are measured."""
    names = (name.replace("_", "-") for name in plugin_names(_PACKAGE))
    return tuple(sorted(names, key=lambda name: open_scenario(name).order))


def open_scenario(name: str) -> Scenario:
    """The scenario called `name`.

    Raises:
        UnknownName: there is no such scenario.
    """
    return load_plugin(_PACKAGE, name, "scenario of LoadGen").Scenario()
