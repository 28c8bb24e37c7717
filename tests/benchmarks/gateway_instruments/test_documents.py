"""Medians over the rounds of both tools."""

from litho.benchmarks.gateway_instruments.documents import Compared, GatewayInstrumentsResult, Round, lines
from litho.benchmarks.perf_analyzer.documents import Side
from litho.benchmarks.shared.machine import describe_machine


def a_round(speed: float) -> Round:
    theirs = Side(requests_per_second=100, p50_ms=50, p99_ms=90)
    ours = Side(requests_per_second=100 * speed, p50_ms=40, p99_ms=90)
    return Round(litho=ours, theirs=theirs, litho_gateway_ms=38, theirs_gateway_ms=39)


def test_medians_over_the_rounds_are_shown_beside_the_gateways_own_time() -> None:
    rounds = (a_round(0.5), a_round(1.5), a_round(9))
    one = Compared(bundle="digits", way="images", tool="aiperf", clients=8, rounds=rounds)
    result = GatewayInstrumentsResult(command="x", seconds=1, compared=(one,), machine=describe_machine())
    assert lines(result)[2] == "| digits | images | aiperf | 8 | 100 | 1.50 | 0.80 | 1.00 | 39.0 | 38.0 |"
    assert GatewayInstrumentsResult.model_validate_json(result.model_dump_json()) == result
