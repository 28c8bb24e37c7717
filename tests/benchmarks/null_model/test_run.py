import pytest

from litho.benchmarks.null_model.run import measure
from litho.benchmarks.perf_analyzer.program import find_perf_analyzer
from litho.errors import UsageError
from litho.serving.server.environment import install


@pytest.mark.slow
def test_the_client_costs_little_beside_a_model_that_does_nothing() -> None:
    try:
        program = find_perf_analyzer()
    except UsageError as error:
        pytest.skip(str(error))
    install()
    found = measure(program, rounds=1, seconds=1.5, clients=64)
    for one in found.protocols:
        (taken,) = one.rounds
        assert taken.in_flight >= 0.95 * 64
        # Half of what a client of grpcio costs, whatever else the machine does.
        assert taken.client_cpu_us < 150
