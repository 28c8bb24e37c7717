from functools import reduce
from operator import add

import pytest
from hypothesis import given, strategies as st

from litho.benchmarks.load.documents.server_times import ServerTimes
from litho.runners.triton import ServerStatistics

counts = st.integers(0, 10**12)
statistics = st.builds(
    ServerStatistics,
    requests=st.integers(1, 10**6),
    inferences=counts,
    executions=st.integers(1, 10**6),
    queue_ns=counts,
    compute_input_ns=counts,
    compute_infer_ns=counts,
    compute_output_ns=counts,
    failures=counts,
    batch_sizes=st.dictionaries(st.integers(1, 64), st.integers(1, 1000)),
)


@given(statistics)
def test_server_times_are_means_per_request(counted):
    times = ServerTimes.of(counted)
    assert times.queue_ms * times.requests == pytest.approx(counted.queue_ns / 1e6)
    assert times.compute_ms * times.requests == pytest.approx(
        (counted.compute_input_ns + counted.compute_infer_ns + counted.compute_output_ns) / 1e6
    )
    assert times.mean_batch == counted.inferences / counted.executions


@pytest.mark.slow
@given(st.lists(statistics, min_size=2, max_size=4))
def test_pooled_server_times_weigh_every_request_alike(counted):
    pooled = ServerTimes.of(reduce(add, counted))
    assert pooled.queue_ms * pooled.requests == pytest.approx(sum(part.queue_ns for part in counted) / 1e6)
    assert pooled.executions == sum(part.executions for part in counted)
    assert sum(pooled.batch_sizes.values()) == sum(sum(part.batch_sizes.values()) for part in counted)
