"""The queries of the chart, read as its users read them."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from litho.benchmarks.monitoring.queries import (
    FILES,
    compressed,
    dashboard_queries,
    rule_queries,
    scaling_query,
)
from litho.errors import LithoError

UNIT_TESTS = Path(__file__).with_name("rules_test.yaml")
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool of Prometheus is not installed")


def promtool(*arguments: Path | str) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True)


def test_every_query_is_promql_at_every_length_of_its_ranges() -> None:
    parser = pytest.importorskip("promql_parser")
    queries = [*rule_queries(), *dashboard_queries(), scaling_query(model="digits")]
    assert {query.kind for query in queries} == {"rule", "alert", "panel", "scaling"}
    for query in queries:
        assert "$" not in query.expression, query
        parser.parse(query.expression)
        parser.parse(compressed(query.expression, 12))


def test_panels_and_scaling_read_only_what_is_recorded_or_exported() -> None:
    parser = pytest.importorskip("promql_parser")
    recorded = {query.name for query in rule_queries() if query.kind == "rule"}

    def read(node: Any) -> set[str]:
        name = getattr(node, "name", None)
        found = {name} if isinstance(node, parser.VectorSelector) and name else set()
        for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
            if (inner := getattr(node, part, None)) is not None:
                found |= read(inner)
        for inner in getattr(node, "args", ()) or ():
            found |= read(inner)
        return found

    names = set[str]()
    for query in [*dashboard_queries(), *rule_queries(), scaling_query(model="digits")]:
        found = read(parser.parse(query.expression))
        assert found, query
        names |= found
    assert {name for name in names if ":" in name} <= recorded
    assert recorded - names <= {name for name in recorded if name.startswith("release:")}
    others = ("nv_", "litho_gateway_", "litho_in_flight_", "process_", "up", "ALERTS")
    assert all(name.startswith(others) for name in names - recorded)


def test_ranges_and_waits_become_shorter_by_one_factor() -> None:
    text = "rate(a[2m]) > 3 for: 5m [30s] [1h]"
    assert compressed(text, 10) == "rate(a[12000ms]) > 3 for: 30000ms [3000ms] [360000ms]"
    with pytest.raises(LithoError, match="2m divided by 1e"):
        compressed(text, 1e9)


def test_the_scaling_query_names_model_release_and_namespace() -> None:
    query = scaling_query(model="digits", namespace="pictures", release="blue")
    assert 'namespace="pictures",release="blue",model=~"digits(-canary)?"' in query.expression


@needs_promtool
def test_the_rules_keep_to_their_examples() -> None:
    checked = promtool("check", "rules", FILES / "rules.yaml")
    assert checked.returncode == 0, checked.stderr
    tested = promtool("test", "rules", UNIT_TESTS)
    assert tested.returncode == 0, tested.stdout + tested.stderr


WRONG = {
    "a busy and an almost idle server": (
        "sum by (namespace, release, model) (rate(nv_inference_queue",
        "avg by (namespace, release, model) (rate(nv_inference_queue",
    ),
    "a server without work": ("120 *", "0 *"),
    "of a model in flight": ('reason!="gone"', 'reason!="x"'),
    "errors of the gateway": ('route!~"', 'route!~"x'),
}
"""Beginning of an example's name -> part of the rules, and what the example must not allow in its stead."""


@needs_promtool
@pytest.mark.parametrize("name", WRONG)
def test_the_examples_find_rules_that_are_wrong(name: str, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    right, wrong = WRONG[name]
    text = (FILES / "rules.yaml").read_text()
    assert right in text
    (tmp_path / "rules.yaml").write_text(text.replace(right, wrong))
    examples = yaml.safe_load(UNIT_TESTS.read_text())
    (example,) = [one for one in examples["tests"] if one["name"].startswith(name)]
    document = {**examples, "rule_files": ["rules.yaml"], "tests": [example]}
    (tmp_path / "test.yaml").write_text(json.dumps(document))
    tested = promtool("test", "rules", tmp_path / "test.yaml")
    assert tested.returncode == 1
    assert "FAILED" in tested.stdout + tested.stderr


@needs_promtool
def test_panels_of_a_gpu_show_its_use_and_variables_choose_a_release(tmp_path: Path) -> None:
    labels = 'gpu_uuid="G",instance="t",namespace="n"'
    series = {
        "nv_gpu_utilization": 0.5,
        "nv_gpu_memory_used_bytes": 20,
        "nv_gpu_memory_total_bytes": 80,
        "nv_gpu_power_usage": 300,
    }
    inputs = [
        {"series": f'{name}{{{labels},release="{release}"}}', "values": f"{value * share}x4"}
        for release, share in (("one", 1), ("two", 2))
        for name, value in series.items()
    ]
    chosen = {query.name: query.expression for query in dashboard_queries(release="one")}
    wanted = {"GPU utilization A": 0.5, "GPU memory A": 0.25, "GPU power A": 300}
    tests = [
        {
            "expr": f'sum(label_replace({chosen[name]}, "__name__", "", "", ""))',
            "eval_time": "2m",
            "exp_samples": [{"labels": "{}", "value": value}],
        }
        for name, value in wanted.items()
    ]
    document = {"tests": [{"interval": "1m", "input_series": inputs, "promql_expr_test": tests}]}
    (tmp_path / "test.yaml").write_text(json.dumps(document))
    tested = promtool("test", "rules", tmp_path / "test.yaml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_grafanas_own_schema_knows_every_field_of_the_dashboard() -> None:
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder")
    plugins = pytest.importorskip("grafana_foundation_sdk.cog.plugins")
    plugins.register_default_plugins()
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    read = json.loads(encoder.JSONEncoder(sort_keys=True).encode(models.Dashboard.from_json(dashboard)))

    def lost(mine: Any, theirs: Any, path: str = "") -> list[str]:
        """What the schema did not read, and so does not know."""
        if isinstance(mine, dict):
            return [
                one
                for key, value in mine.items()
                if value not in (None, [], {}, "")
                for one in (lost(value, theirs[key], f"{path}/{key}") if key in theirs else [f"{path}/{key}"])
            ]
        if isinstance(mine, list):
            assert len(mine) == len(theirs), path
            return [
                one
                for number, pair in enumerate(zip(mine, theirs, strict=True))
                for one in lost(*pair, f"{path}/{number}")
            ]
        return [] if mine == theirs else [path]

    assert lost(dashboard, read) == []


def test_panels_of_the_dashboard_do_not_overlap_and_have_numbers_of_their_own() -> None:
    panels = json.loads((FILES / "dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    fields = set[tuple[int, int]]()
    for panel in panels:
        at = panel["gridPos"]
        mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in mine) < 24
        assert not mine & fields, panel["title"]
        fields |= mine
