"""How requests arrive: one module for each scenario, named as it is; a scenario registers itself by being there."""

from .base import Scenario, open_scenario, scenario_names

__all__ = ["Scenario", "open_scenario", "scenario_names"]
