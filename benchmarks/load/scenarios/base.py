"""The protocol of scenarios, and how to find one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from ....plugins import load_plugin, plugin_names
from ....runners import Runner
from ..requests import Requests
from ..windows import Load, Measurement

__all__ = ["Scenario", "open_scenario", "scenario_names"]

_PACKAGE = "litho.benchmarks.load.scenarios"


class Scenario(ABC):
    """A rule for when requests start; each module of this folder has a subclass `Scenario`.

    Attributes:
        name: name of the scenario; the module's, with "-" in place of "_".
    """

    name: ClassVar[str]

    @abstractmethod
    def measure(
        self, runner: Runner, requests: Requests, load: Load, *, warmup_seconds: float, seconds: float
    ) -> Measurement:
        """Load the runner and measure one window; nothing is in flight when it returns.

        Args:
            runner: the measured runner.
            requests: source of the inputs.
            load: concurrency and batch.
            warmup_seconds: duration of the load before the window opens.
            seconds: shortest length of the window.

        Raises:
            LithoError: no request of the window succeeded, or the runner stopped answering.
        """


def scenario_names() -> tuple[str, ...]:
    """Names of the scenarios, without importing them."""
    return tuple(name.replace("_", "-") for name in plugin_names(_PACKAGE))


def open_scenario(name: str) -> Scenario:
    """The scenario called `name`.

    Raises:
        UnknownName: there is no such scenario.
    """
    return load_plugin(_PACKAGE, name, "scenario").Scenario()
