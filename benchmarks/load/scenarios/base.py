"""The protocol that every scenario keeps, what it measures, and the way to find one."""

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
    """A rule for when requests start.

    A subclass is called `Scenario` in a module of this folder and implements `measure`.
    """

    name: ClassVar[str]

    @abstractmethod
    def measure(
        self, runner: Runner, requests: Requests, load: Load, *, warmup_seconds: float, seconds: float
    ) -> Measurement:
        """Put a load on the runner and measure one window; nothing is in flight when it returns.

        Args:
            runner: what is measured.
            requests: where the inputs come from.
            load: how much load.
            warmup_seconds: for how long the load runs before the window opens.
            seconds: the least length of the window.

        Raises:
            LithoError: no request of the window succeeded, or none was answered any more.
        """


def scenario_names() -> tuple[str, ...]:
    """The scenarios there are; none of them is imported."""
    return tuple(name.replace("_", "-") for name in plugin_names(_PACKAGE))


def open_scenario(name: str) -> Scenario:
    """The scenario called `name`.

    Raises:
        UnknownName: there is none.
    """
    return load_plugin(_PACKAGE, name, "scenario").Scenario()
