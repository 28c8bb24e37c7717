import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from litho.benchmarks.machine import describe_machine
from litho.benchmarks.perf_analyzer import Compared, PerfAnalyzerResult, Round, lines, main
from litho.benchmarks.perf_analyzer_run import Side, find_perf_analyzer
from litho.errors import UsageError
from litho.serving.server.environment import install


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
    assert "| digits | grpc | 8 | 1,000 | 1.000 | 1.000 | 1.140 | 1.000 | 30 |  |  | within |" in lines(
        result
    )


@pytest.mark.slow
def test_both_tools_load_one_server(bundle: Path, tmp_path: Path) -> None:
    """Where perf_analyzer is; how near the figures are is for a quiet machine, see `results/perf-analyzer.json`."""
    import typer

    try:
        find_perf_analyzer()
    except UsageError as error:
        pytest.skip(str(error))
    install()
    app = typer.Typer()
    app.command()(main)
    file = tmp_path / "result.json"
    options = ("--rounds", "1", "--seconds", "1.5", "--clients", "4", "--output", file)
    done = CliRunner().invoke(app, [str(bundle), *map(str, options)])
    assert file.exists(), done.output
    result = PerfAnalyzerResult.model_validate(json.loads(file.read_text()))
    assert done.exit_code == (0 if result.passed else 1)
    assert [one.protocol for one in result.compared] == ["grpc", "http"]
    for one in result.compared:
        (taken,) = one.rounds
        assert taken.perf_analyzer.requests_per_second > 0 < taken.litho.requests_per_second
        assert one.in_flight >= 0.95
