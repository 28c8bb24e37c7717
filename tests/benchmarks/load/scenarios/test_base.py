from pathlib import Path

import numpy as np
import pytest

from litho.benchmarks.load.scenarios import open_scenario, scenario_names
from litho.errors import UnknownName, UsageError

RATED = ("constant", "poisson", "gamma")


def test_scenarios_register_themselves():
    assert {"closed-loop", "trace", *RATED} <= set(scenario_names())
    with pytest.raises(UnknownName, match=r"unknown scenario 'open-loop'; did you mean 'closed-loop'"):
        open_scenario("open-loop")


@pytest.mark.parametrize("name", RATED)
@pytest.mark.parametrize("rate", [0.3, 40.0, 5000.0])
def test_a_schedule_has_its_rate_and_ends_in_time(name, rate):
    seconds = 20_000 / rate
    times = open_scenario(name).times(rate, seconds, np.random.default_rng(1))
    assert (np.diff(times) >= 0).all()
    assert 0 <= times[0] <= times[-1] < seconds
    # The number of arrivals of the gamma scatters twice as far as that of a Poisson process.
    assert len(times) == pytest.approx(20_000, abs=6 * 2 * 20_000**0.5)


@pytest.mark.parametrize("name", ["closed-loop", *RATED])
def test_a_trace_that_would_be_ignored_is_refused(name):
    with pytest.raises(UsageError, match="ignores; use --scenario trace"):
        open_scenario(name, Path("trace.csv"))
