import json
from pathlib import Path

import pytest

from litho.benchmarks import read_result
from litho.benchmarks.load.documents.latency import Percentile
from litho.benchmarks.load.documents.quality import Quality
from litho.benchmarks.load.documents.result import Cost
from litho.benchmarks.load.page.page import write_result
from litho.errors import IntegrityError, SchemaError


@pytest.mark.slow
def test_result_is_written_whole_and_read_back(result, tmp_path):
    document, html = write_result(result, tmp_path / "out")
    assert read_result(document) == result
    assert html.stat().st_size > 10_000
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "bench.html",
        "bench.json",
        "bench.png",
    ]


def test_what_is_no_result_is_refused(result, tmp_path):
    path = tmp_path / "bench.json"
    with pytest.raises(IntegrityError, match="missing"):
        read_result(path)
    text = result.model_dump_json()
    for content, message in [
        (text[: len(text) // 2], "is not JSON"),
        (json.dumps({**json.loads(text), "schema_version": 3}), "schema version 3, this litho reads up to 2"),
        (json.dumps({**json.loads(text), "points": []}), "is not a result of 'litho bench': points"),
        ('{"schema_version": 1}', "is not a result of 'litho bench': target"),
    ]:
        path.write_text(content)
        with pytest.raises(SchemaError, match=message):
            read_result(path)


def test_a_result_of_schema_1_is_read(tmp_path):
    result = read_result(Path(__file__).parent / "bench-schema-1.json")
    assert result.points[0].latency.p99 == Percentile(value_ms=result.points[0].latency.p99_ms)
    assert result.comparison.ratio > 0
    document, _ = write_result(result, tmp_path)
    assert read_result(document) == result
    assert json.loads(document.read_text())["schema_version"] == 2


def test_cost_is_the_price_of_the_time_that_pictures_take():
    assert Cost(per_hour=3.6, images_per_second=100).per_1000_images == pytest.approx(0.01)


def test_only_points_that_count_are_best_and_a_result_names_its_worst_problem_first(result):
    fast, slow = result.points[-1], result.points[0]
    wrong = Quality(pictures=9, wrong=9, worst_difference=255, against="probes", reason="wrong pictures")
    changed = result.model_copy(
        update={"points": (slow, fast.model_copy(update={"quality": wrong})), "stopped": "Ctrl-C"}
    )
    assert changed.best == slow
    assert changed.problems == ("Ctrl-C", f"{fast.load}: wrong pictures")
    nothing = result.model_copy(update={"points": (fast.model_copy(update={"quality": wrong}),)})
    assert nothing.best is nothing.quickest is None
