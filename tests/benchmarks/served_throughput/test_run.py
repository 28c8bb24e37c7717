from pathlib import Path

import pytest
from typer.testing import CliRunner

from litho.benchmarks.served_throughput.documents import ServedThroughput
from litho.benchmarks.served_throughput.run import main
from litho.serving.server.environment import install


@pytest.mark.slow
def test_a_bundle_is_measured_from_outside_and_inside(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import typer

    monkeypatch.setattr("litho.benchmarks.served_throughput.run.COLD_STARTS", 1)
    install()
    app = typer.Typer()
    app.command()(main)
    options = ("--rounds", "1", "--seconds", "0.5", "--clients", "4", "--output", tmp_path / "result.json")
    done = CliRunner().invoke(app, [str(bundle), *map(str, options)])
    assert done.exit_code == 0, done.output
    result = ServedThroughput.model_validate_json((tmp_path / "result.json").read_text())
    (one,) = result.bundles
    (taken,) = one.rounds
    assert taken.served > 0 < taken.in_process
    assert 1 <= taken.mean_batch <= 4
    assert set(taken.cpu_ms) == {"in process", "stubs", "server", "load generator"}
    assert all(seconds > 0 for seconds in (*taken.cpu_ms.values(), *one.cold_start_seconds))
