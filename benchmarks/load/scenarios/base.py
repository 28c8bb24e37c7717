"""The protocol of scenarios, and how to find one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ....errors import UsageError
from ....plugins import load_plugin, plugin_names

__all__ = ["OpenLoop", "Scenario", "open_scenario", "scenario_names"]

_PACKAGE = "litho.benchmarks.load.scenarios"


class Scenario(ABC):
    """A rule for when requests leave; each module of this folder has a subclass `Scenario`.

    It knows neither transports nor servers: `load.meter` sends the requests.

    Args:
        trace: file of a recorded load; only the scenario "trace" takes one.

    Attributes:
        name: name of the scenario; the module's, with "-" in place of "_".
        rated: whether a load of it has a rate, and no number of requests in flight.

    Raises:
        UsageError: the file would be ignored.
    """

    name: ClassVar[str]
    rated: ClassVar[bool]

    def __init__(self, trace: Path | None = None) -> None:
        if trace is not None:
            raise UsageError(
                f"--trace was given {trace}, which --scenario {self.name} ignores; use --scenario trace"
            )

    @property
    def own_rate(self) -> float | None:
        """Requests per second that it has by itself; None if it takes any rate."""
        return None

    def requests(self) -> tuple[dict[str, str], ...]:
        """What the requests ask for, in order and again and again, as `mix.Mix` takes it; empty if it does not say."""
        return ()

    @abstractmethod
    def times(
        self, rate: float, seconds: float, generator: np.random.Generator
    ) -> NDArray[np.float64] | None:
        """When requests leave.

        Args:
            rate: requests per second, on the average.
            seconds: length of the schedule.
            generator: of random numbers.

        Returns:
            FP64 seconds from the start, ascending; None for a closed loop, which has no schedule.
        """


class OpenLoop(Scenario):
    """Requests leave on a schedule, whether or not earlier ones were answered."""

    rated = True

    @abstractmethod
    def gaps(self, count: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """`count` times between two requests, with a mean of 1."""

    def times(self, rate: float, seconds: float, generator: np.random.Generator) -> NDArray[np.float64]:
        """See `Scenario.times`."""
        parts, end = list[NDArray[np.float64]](), 0.0
        while end < seconds:
            parts.append(end + np.cumsum(self.gaps(int(rate * seconds * 1.1) + 16, generator)) / rate)
            end = float(parts[-1][-1])
        times = np.concatenate(parts)
        return times[times < seconds]


def scenario_names() -> tuple[str, ...]:
    """Names of the scenarios, without importing them."""
    return tuple(name.replace("_", "-") for name in plugin_names(_PACKAGE))


def open_scenario(name: str, trace: Path | None = None) -> Scenario:
    """The scenario called `name`.

    Args:
        name: of the scenario.
        trace: file of a recorded load, for the scenario "trace".

    Raises:
        UnknownName: there is no such scenario.
        UsageError: the scenario and `trace` do not go together.
    """
    return load_plugin(_PACKAGE, name, "scenario").Scenario(trace)
