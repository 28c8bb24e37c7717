import numpy as np
import pytest

from litho.benchmarks.load.scenarios.constant import Scenario


def test_gaps_have_the_deviation_of_their_kind():
    gaps = Scenario().gaps(200_000, np.random.default_rng(3))
    assert gaps.min() >= 0
    assert gaps.mean() == pytest.approx(1, rel=0.05)
    assert gaps.std() == pytest.approx(0, rel=0.05)
