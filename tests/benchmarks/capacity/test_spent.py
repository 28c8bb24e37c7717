from collections import Counter

import numpy as np
import pytest

from litho.benchmarks.capacity.spent import quantiles, spent_in, usual_mean
from litho.benchmarks.load.documents.measurement import Measurement
from litho.errors import LithoError


def test_a_server_elsewhere_cannot_be_measured() -> None:
    with pytest.raises(LithoError, match="it must run on this machine"):
        spent_in(Measurement(1.0, 1, np.array([1.0]), Counter(), 0.1, None))


def test_one_stall_among_many_requests_changes_no_mean() -> None:
    latencies_ms = np.append(np.full(999, 2.0), 5_000.0)
    assert usual_mean(latencies_ms) == pytest.approx(2.0)
    assert quantiles(np.arange(1000.0))[20] == pytest.approx(499.5)


def test_quantiles_of_quantiles_are_the_same() -> None:
    once = quantiles(np.random.default_rng(0).exponential(1.0, 1000))
    assert (quantiles(once) == once).all()
