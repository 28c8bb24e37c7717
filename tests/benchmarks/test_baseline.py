"""Ratios that continuous integration compares with stored ones."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from litho.benchmarks import baseline
from litho.benchmarks.baseline import BATCHES, Baseline, beyond, measure, table
from litho.benchmarks.load.comparison.effect import Effect
from litho.benchmarks.shared.machine import describe_machine
from litho.errors import LithoError


def found(*ratios: float) -> Baseline:
    effect = Effect.of([ratios])
    return Baseline(bundle="tiny", ratios={"runner / session, batch 1": effect}, machine=describe_machine())


def test_a_ratio_is_worse_only_if_all_of_its_interval_is() -> None:
    stored = found(*[0.9] * 9)
    assert beyond(found(*[0.8] * 9), stored) == []
    assert beyond(found(*[0.6, 0.9] * 9), stored) == []
    (line,) = beyond(found(*[0.6, 0.62] * 9), stored)
    assert line.startswith("runner / session, batch 1: 0.6")
    assert "| 0.900 |" in table(found(*[0.8] * 9), stored)[2]


def test_a_ratio_that_is_not_stored_is_not_judged() -> None:
    stored = found(*[0.9] * 9).model_copy(update={"ratios": {}})
    assert beyond(found(*[0.1] * 9), stored) == []


def test_a_bundle_is_measured_and_compared_with_what_was_stored(bundle: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(baseline.main)
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
