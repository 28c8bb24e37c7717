"""A result of a benchmark with everything in it."""

import pytest

from litho.benchmarks import bench


@pytest.fixture(scope="module")
def result(planted_endpoint, planted_runner):
    """A result with everything in it: the server's account, a comparison, and memory."""
    endpoint = planted_endpoint(seconds=0.001)
    return bench(
        endpoint,
        against=planted_runner(seconds=0.001),
        at_least=0.8,
        concurrency=(1, 4),
        seconds=0.6,
        pairs=3,
        soak_requests=1100,
    )
