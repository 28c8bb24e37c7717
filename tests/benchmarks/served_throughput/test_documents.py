from litho.benchmarks.served_throughput.documents import Round, Served, ServedThroughput, table
from litho.benchmarks.shared.machine import describe_machine


def a_round(served: float) -> Round:
    return Round(served=served, in_process=100.0, mean_batch=6.5, cpu_ms={"stubs": 1.5})


def test_a_result_is_judged_by_the_median_of_its_ratios_and_read_back() -> None:
    rounds = tuple(map(a_round, (90.0, 94.0, 20.0)))
    one = Served(
        name="digits",
        variant="generator.fp32.onnx",
        instances=2,
        threads="1",
        at_least=0.9,
        rounds=rounds,
        cold_start_seconds=(1.0, 2.0, 1.5),
    )
    assert (one.ratio, one.passed) == (0.9, True)
    assert not one.model_copy(update={"at_least": 0.91}).passed
    result = ServedThroughput(
        generator="perf_analyzer", clients=32, bundles=(one,), machine=describe_machine()
    )
    assert ServedThroughput.model_validate_json(result.model_dump_json()) == result
    assert table(result)[-1] == "| digits | 90 | 100 | 6.5 | 0.90 (0.20 to 0.94) | 0.90 | 1.50 |"
