from collections import Counter

import numpy as np
import pytest

from litho.benchmarks.load.documents.measurement import Measurement, Picked
from litho.benchmarks.load.documents.resources import ProcessUse, Resources


def measurement(requests, seconds, **more):
    return Measurement(
        seconds=seconds,
        batch=2,
        latencies_ms=np.ones(requests),
        errors=Counter(gone=1),
        client_cpu_seconds=0.5,
        server=None,
        **more,
    )


def test_windows_pool_by_their_length_and_what_one_lacks_the_whole_lacks():
    used = Resources(seconds=1, client=ProcessUse(cpu_seconds=1, memory_bytes=5))
    first = measurement(
        10, 1.0, in_flight=8.0, asked=11, steps=40, late_ms=np.ones(10), images=30, resources=used
    )
    second = measurement(
        30, 3.0, in_flight=4.0, asked=31, picked=Picked(np.array([3]), np.zeros((1, 2, 2, 1), np.uint8))
    )
    whole = Measurement.pooled([first, second])
    assert whole.in_flight == pytest.approx(5)
    assert whole.asked == 42
    assert whole.requests == 40
    assert whole.image_count == 30 + 60
    assert whole.errors == {"gone": 2}
    assert whole.picked.numbers.tolist() == [3]
    assert whole.steps is whole.late_ms is whole.resources is whole.offered_rate is None


def test_a_window_alone_is_itself():
    alone = measurement(4, 2.0)
    assert Measurement.pooled([alone]).image_count == alone.image_count == 8
