"""A real Prometheus, of which litho asks what it knows."""

import shutil
from pathlib import Path

import pytest

from litho.benchmarks.monitoring.prometheus import Prometheus, find_prometheus
from litho.errors import LithoError, UsageError

RULES = "groups: [{name: g, rules: [{record: 'twice:up', expr: 'up * 2'}]}]"

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed")


@pytest.mark.slow
def test_targets_are_scraped_and_rules_recorded(tmp_path: Path) -> None:
    # The port of nobody: the target is known, and does not answer.
    with Prometheus(tmp_path, {"litho-triton": "127.0.0.1:9"}, RULES, 0.1) as prometheus:
        prometheus.wait_for_scrapes()
        labels = (("instance", "127.0.0.1:9"), ("job", "litho-triton"))
        assert prometheus.values("up") == {labels: 0}
        assert prometheus.values("twice:up") == {labels: 0}
        assert prometheus.values("2 * 3") == {(): 6}
        assert len(prometheus.samples("up[1m]")[labels]) >= 2
        assert prometheus.alerts() == set()
        with pytest.raises(LithoError, match=r"Prometheus refuses rate\(up\): .*expected type range vector"):
            prometheus.values("rate(up)")


@pytest.mark.slow
def test_rules_that_are_none_are_said_and_leave_nothing_behind(tmp_path: Path) -> None:
    with (
        pytest.raises(LithoError, match="Prometheus did not get ready within"),
        Prometheus(tmp_path, {}, "groups: [{name: g, rules: [{record: a, expr: '('}]}]", 0.1),
    ):
        pass


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROMETHEUS", str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="absent"):
        find_prometheus()
