"""Ratios that continuous integration compares with stored ones."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from litho.benchmarks.baseline.run import BATCHES, main, measure
from litho.errors import LithoError


def test_a_bundle_is_measured_and_compared_with_what_was_stored(bundle: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(main)
    stored = tmp_path / "baseline.json"
    arguments = [str(bundle), "--output", str(stored), "--pairs", "5", "--seconds", "0.01"]
    missing = CliRunner().invoke(app, arguments)
    assert missing.exit_code == 1
    assert "baseline.json" in missing.output
    assert CliRunner().invoke(app, [*arguments, "--store"]).exit_code == 0
    document = json.loads(stored.read_text())
    assert len(document["ratios"]) == len(BATCHES)
    for effect in document["ratios"].values():
        effect["ratio"] *= 10
    stored.write_text(json.dumps(document))
    worse = CliRunner().invoke(app, arguments)
    assert worse.exit_code == 1
    assert "slower than before by more than 15%" in worse.output


def test_a_bundle_without_the_graph_is_refused(flow_bundle: Path) -> None:
    with pytest.raises(LithoError, match="a bundle of one stage"):
        measure(flow_bundle)
