"""Scenarios, which decide when requests start: one module each. A module of this folder is found by its name."""

from .base import Scenario, open_scenario, scenario_names

__all__ = ["Scenario", "open_scenario", "scenario_names"]
