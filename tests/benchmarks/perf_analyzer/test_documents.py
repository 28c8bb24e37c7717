"""Both tools' figures, and what is beyond a bound."""

from litho.benchmarks.perf_analyzer.documents import Compared, PerfAnalyzerResult, Round, Side, lines
from litho.benchmarks.shared.cores import Cores
from litho.benchmarks.shared.machine import describe_machine


def a_round(speed: float = 1.0, p50: float = 1.0, p99: float = 1.0, in_flight: float = 8.0) -> Round:
    theirs = Side(requests_per_second=1000, p50_ms=2, p99_ms=4)
    ours = Side(requests_per_second=1000 * speed, p50_ms=2 * p50, p99_ms=4 * p99)
    return Round(litho=ours, perf_analyzer=theirs, in_flight=in_flight, client_cpu_us=30)


def compared(*rounds: Round, clients: int = 8) -> Compared:
    return Compared(bundle="digits", variant="fp32", protocol="grpc", clients=clients, rounds=rounds)


def test_medians_over_the_rounds_are_held_against_their_bounds() -> None:
    good = compared(a_round(), a_round(0.96, 1.04, 1.14), a_round(3.0, 0.2, 9.0))
    assert good.misses == ()
    assert compared(a_round(1.06)).misses == ("requests_per_second 1.060, not within 5%",)
    assert compared(a_round(p50=0.9)).misses == ("p50_ms 0.900, not within 5%",)
    assert compared(a_round(p99=1.2)).misses == ("p99_ms 1.200, not within 15%",)
    assert compared(a_round(in_flight=7.8)).misses == ("0.975 of the clients in flight, below 0.98",)
    result = PerfAnalyzerResult(command="x", seconds=1, compared=(good,), machine=describe_machine())
    assert result.passed
    assert PerfAnalyzerResult.model_validate_json(result.model_dump_json()) == result
    assert "| digits | grpc | 8 | 1,000 | 1.000 | 1.000 | 1.140 | 1.000 | 30 |  |  |  |  | within |" in lines(
        result
    )


def test_what_the_server_counted_is_compared_where_it_is_known() -> None:
    known = a_round()
    ours = known.litho.model_copy(update={"server_mean_batch": 3.0})
    theirs = known.perf_analyzer.model_copy(update={"server_mean_batch": 2.0})
    one = compared(known.model_copy(update={"litho": ours, "perf_analyzer": theirs}), a_round())
    assert one.server_ratio("server_mean_batch") == 1.5
    assert one.server_ratio() is None


def test_cores_are_kept_and_an_older_document_has_none() -> None:
    cores = Cores(server=(0,), clients=(1, 2))
    result = PerfAnalyzerResult(
        command="x", seconds=1, compared=(compared(a_round()),), machine=describe_machine(), cores=cores
    )
    assert PerfAnalyzerResult.model_validate_json(result.model_dump_json()).cores == cores
    older = result.model_dump(mode="json")
    del older["cores"]
    assert PerfAnalyzerResult.model_validate(older).cores is None
