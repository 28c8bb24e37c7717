import numpy as np

from litho.benchmarks.load.scenarios.closed_loop import Scenario


def test_a_closed_loop_has_no_schedule():
    scenario = Scenario()
    assert scenario.times(1.0, 1.0, np.random.default_rng()) is None
    assert not scenario.rated
    assert scenario.own_rate is None
    assert scenario.requests() == ()
