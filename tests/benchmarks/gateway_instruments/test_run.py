"""The gateway, measured by tools that litho did not write."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from litho.benchmarks.gateway_instruments.aiperf import find_aiperf
from litho.benchmarks.gateway_instruments.documents import GatewayInstrumentsResult
from litho.benchmarks.gateway_instruments.run import TOOLS, main
from litho.benchmarks.perf_analyzer.program import find_perf_analyzer
from litho.benchmarks.shared.cores import cores_of
from litho.errors import UsageError


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
