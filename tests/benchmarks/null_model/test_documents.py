"""The rate of the load generator beside that of another one."""

from litho.benchmarks.null_model.documents import NullModel, NullModelResult, lines
from litho.benchmarks.perf_analyzer.documents import Round, Side
from litho.benchmarks.shared.machine import describe_machine


def result(*speeds: float) -> NullModelResult:
    theirs = Side(requests_per_second=1000, p50_ms=2, p99_ms=4)
    rounds = tuple(
        Round(
            litho=theirs.model_copy(update={"requests_per_second": 1000 * speed}),
            perf_analyzer=theirs,
            in_flight=64,
            client_cpu_us=20,
        )
        for speed in speeds
    )
    one = NullModel(protocol="grpc", rounds=rounds)
    return NullModelResult(command="x", clients=64, seconds=1, protocols=(one,), machine=describe_machine())


def test_the_median_rate_is_held_against_its_bound() -> None:
    assert result(0.81, 0.2, 3.0).passed
    assert not result(0.79, 0.2, 3.0).passed
    assert lines(result(0.9))[-1] == "| grpc | 900 | 1,000 | 0.90 | 0.80 | 1.000 | 20 |"
