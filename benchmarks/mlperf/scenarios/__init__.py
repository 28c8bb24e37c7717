"""LoadGen's scenarios, one module each. A module of this folder is found by its name."""

from .base import Scenario, Trials, Wanted, open_scenario, scenario_names

__all__ = ["Scenario", "Trials", "Wanted", "open_scenario", "scenario_names"]
