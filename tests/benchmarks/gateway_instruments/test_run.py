"""The gateway, measured by tools that litho did not write."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from litho.benchmarks.gateway_instruments.aiperf import find_aiperf
from litho.benchmarks.gateway_instruments.run import (
    TOOLS,
    Compared,
    GatewayInstrumentsResult,
    Round,
    lines,
    main,
)
from litho.benchmarks.perf_analyzer.program import Side, find_perf_analyzer
from litho.benchmarks.shared.cores import cores_of
from litho.benchmarks.shared.machine import describe_machine
from litho.errors import UsageError


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


@pytest.mark.slow
def test_all_three_tools_load_one_gateway(bundle: Path, tmp_path: Path) -> None:
    import typer

    try:
        find_perf_analyzer()
        find_aiperf()
    except UsageError as error:
        pytest.skip(str(error))
    app = typer.Typer()
    app.command()(main)
    file = tmp_path / "result.json"
    options = ("--rounds", "1", "--seconds", "1.5", "--clients", "4", "--output", file)
    done = CliRunner().invoke(app, [str(bundle), *map(str, options)])
    assert done.exit_code == 0, done.output
    result = GatewayInstrumentsResult.model_validate_json(file.read_text())
    assert result.cores == cores_of(share=False)
    assert [(one.way, one.tool) for one in result.compared] == list(TOOLS.items())
    for one in result.compared:
        (taken,) = one.rounds
        assert taken.theirs.requests_per_second > 0 < taken.litho.requests_per_second
        assert taken.theirs_gateway_ms > 0 < taken.litho_gateway_ms
