import pytest

from litho.benchmarks.mlperf.scenarios import open_scenario, scenario_names
from litho.errors import UnknownName


def test_scenarios_are_the_four_of_loadgen_in_order() -> None:
    assert scenario_names() == ("single-stream", "multi-stream", "offline", "server")
    for name in scenario_names():
        assert open_scenario(name).name == name


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'server'"):
        open_scenario("sever")
