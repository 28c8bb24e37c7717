"""Every query of the chart, asked of a real Prometheus that watched a real server under load."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from litho.benchmarks.monitoring import run
from litho.benchmarks.monitoring.documents import MonitoringResult
from litho.benchmarks.monitoring.queries import dashboard_queries, rule_queries


def test_every_query_says_the_right_number(result: MonitoringResult) -> None:
    assert result.problems == ()
    asked = {one.query for one in result.checked}
    queries = [*rule_queries(), *dashboard_queries()]
    # How long requests wait is a matter of the load: that alert has an example in rules_test.yaml.
    assert {query.name for query in queries} - asked == {"LithoRequestsWait"}
    assert any(query.startswith("wait_seconds") for query in asked)
    assert sum(one.value is not None and one.value > 0 for one in result.checked) > 40


def test_the_wait_of_each_model_is_the_one_of_another_witness(result: MonitoringResult) -> None:
    whole, flying = result.waited
    assert (whole.in_flight, flying.in_flight) == (False, True)
    assert whole.prometheus_wait == pytest.approx(whole.statistics_wait, rel=1e-3, abs=2e-6)
    assert 0 < flying.prometheus_wait < flying.prometheus_answer < flying.client_answer
    table = run.table(result)
    assert f"{len(result.checked)} of {len(result.checked)} series are right" in table[-1]


def test_without_prometheus_or_whole_requests_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import typer

    app = typer.Typer()
    app.command()(run.main)
    monkeypatch.setenv("PROMETHEUS", str(tmp_path / "none"))
    answer = CliRunner().invoke(app, [str(tmp_path)])
    assert answer.exit_code == 2
    assert "prometheus was not found" in answer.output
