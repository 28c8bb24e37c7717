import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from litho.benchmarks.cold_start.documents import ColdStarts
from litho.benchmarks.cold_start.run import main


def call(*words: object) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(main)
    done = CliRunner().invoke(app, [*map(str, words)])
    return done.exit_code, done.output


@pytest.mark.slow
def test_both_ways_are_started_and_written(bundle: Path, tmp_path: Path) -> None:
    code, said = call(bundle, "--starts", 1, "--output", tmp_path / "cold-start.json")
    assert code == 0, said
    result = ColdStarts.model_validate_json((tmp_path / "cold-start.json").read_text())
    (one,) = result.bundles
    assert (one.name, one.variant) == ("tiny", "generator.fp32.onnx")
    assert one.size_bytes == (bundle / "graphs" / "generator.fp32.onnx").stat().st_size
    assert len(one.process_seconds) == len(one.server_seconds) == 1
    assert min(one.process_seconds + one.server_seconds) > 0.1
    assert "| tiny | generator.fp32.onnx |" in said
    assert str(tmp_path) not in json.dumps(json.loads((tmp_path / "cold-start.json").read_text()))


@pytest.mark.slow
def test_a_bundle_that_makes_nothing_is_one_line(bundle: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(bundle, tmp_path / "broken")
    (broken / "graphs" / "generator.fp32.onnx").write_bytes(b"")
    code, said = call(broken, "--output", tmp_path / "cold-start.json")
    assert code == 1
    assert said.startswith("cold_start: error: ")
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "cold-start.json").exists()
