import pytest

from litho.benchmarks.mlperf.samples import Samples
from litho.benchmarks.mlperf.wire import Wire
from litho.errors import EndpointUnavailable
from litho.runners.triton import Runner as TritonRunner


def test_a_server_that_is_gone_before_the_first_query_is_named(
    samples: Samples, collected, planted_server
) -> None:
    with TritonRunner.from_location(planted_server.url, "cpu") as runner:
        runner.url = "grpc://127.0.0.1:1/tiny"
        with pytest.raises(EndpointUnavailable, match=r"cannot reach grpc://127\.0\.0\.1:1/tiny"):
            Wire(runner, samples, collected())
