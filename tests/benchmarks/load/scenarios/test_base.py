import pytest

from litho.benchmarks.load.scenarios import open_scenario, scenario_names
from litho.errors import UnknownName


def test_scenarios_register_themselves():
    assert "closed-loop" in scenario_names()
    with pytest.raises(UnknownName, match=r"unknown scenario 'open-loop'; did you mean 'closed-loop'"):
        open_scenario("open-loop")
