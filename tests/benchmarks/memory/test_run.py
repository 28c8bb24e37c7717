from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from litho.benchmarks.memory.documents import MemoryRuns
from litho.benchmarks.memory.run import main
from litho.serving.server.environment import install


@pytest.mark.alone
@pytest.mark.slow
def test_a_bundle_is_served_and_its_run_is_kept_beside_others(bundle: Path, tmp_path: Path) -> None:
    install()
    app = typer.Typer()
    app.command()(main)
    output = tmp_path / "soak.json"
    load = ("--pictures", "400", "--batch", "4", "--in-flight", "4", "--settled-after", "100")
    for batching in ("whole", "whole"):
        done = CliRunner().invoke(app, [str(bundle), *load, "--batching", batching, "--output", str(output)])
        assert done.exit_code in (0, 1), done.output  # so short a load says nothing about growth
    (run,) = MemoryRuns.model_validate_json(output.read_text()).runs
    assert run.soak.requests == 100
    assert run.soak.errors == {}
    assert not [one for one in run.problems if one.startswith("left behind")]
