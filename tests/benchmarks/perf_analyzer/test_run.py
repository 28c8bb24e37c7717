import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from litho.benchmarks.perf_analyzer.documents import PerfAnalyzerResult
from litho.benchmarks.perf_analyzer.program import find_perf_analyzer
from litho.benchmarks.perf_analyzer.run import main
from litho.benchmarks.shared.cores import cores_of
from litho.errors import UsageError
from litho.serving.server.environment import install


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
    assert result.cores == cores_of(share=False)
    for one in result.compared:
        (taken,) = one.rounds
        for side in (taken.litho, taken.perf_analyzer):
            assert side.requests_per_second > 0
            assert side.server_mean_batch is not None
            assert side.server_mean_batch >= 1
