"""The comparison of both forms of batching, on a tiny flow and a real server, for a second."""

import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from litho.benchmarks.in_flight.documents import InFlightResult, lines
from litho.benchmarks.in_flight.run import main
from litho.bundle import Bundle
from litho.serving.server.environment import install


@pytest.fixture(scope="module")
def app() -> Typer:
    app = Typer()
    app.command()(main)
    return app


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("whole-2-auto-61", "did you mean 'whole-2-auto-64'"),
        ("whole-2-auto-64", "of one form; give at least"),
    ],
)
def test_candidates_that_cannot_be_compared_are_refused(app: Typer, name: str, said: str) -> None:
    refused = CliRunner().invoke(app, ["bundles/shapes", "--only", name])
    assert refused.exit_code == 2
    assert said in refused.output


@pytest.fixture(scope="module")
def result(app: Typer, flow_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> InFlightResult:
    install()
    path = tmp_path_factory.mktemp("results") / "in-flight.json"
    only = ["--only", "whole-2-auto-16", "--only", "in-flight-2-auto-8"]
    arguments = [str(flow_bundle), "--seconds", "0.6", "--rounds", "1", *only, "--output", str(path)]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0, ran.output
    return InFlightResult.model_validate(json.loads(path.read_text()))


def test_both_forms_are_measured_and_give_equal_pictures(result: InFlightResult, flow_bundle: Path) -> None:
    assert result.bundle == Bundle.load(flow_bundle).manifest.name
    assert result.pictures_equal
    assert [one.name for one in result.candidates] == ["whole-2-auto-16", "in-flight-2-auto-8"]
    for figures in (result.whole, result.in_flight):
        assert figures.pictures_per_second > 0
        assert 0 < figures.short_p50_ms <= figures.all_p95_ms
        assert 0 <= figures.goodput <= 1
        assert set(figures.lone_ms) == {4, 8, 16, 32}
    assert result.requests > 0
    assert result.ratios.short_p50 == result.in_flight.short_p50_ms / result.whole.short_p50_ms


def test_the_tables_name_forms_ratios_and_whether_the_bars_are_met(result: InFlightResult) -> None:
    text = "\n".join(lines(result))
    assert "in-flight-2-auto-8" in text
    assert "pictures are equal within the contract" in text
    assert f"the targets are {'met' if result.ratios.passed else 'NOT met'}" in text


def test_a_bundle_without_steps_is_refused(app: Typer, bundle: Path) -> None:
    ran = CliRunner().invoke(app, [str(bundle)])
    assert ran.exit_code == 1
    assert "is one graph without steps" in ran.output
