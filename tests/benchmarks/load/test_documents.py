import json

import pytest

from litho.benchmarks import read_result
from litho.benchmarks.load.report import write_result
from litho.errors import IntegrityError, SchemaError


@pytest.mark.slow
def test_result_is_written_whole_and_read_back(result, tmp_path):
    document, html = write_result(result, tmp_path / "out")
    assert read_result(document) == result
    assert html.stat().st_size > 10_000
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["bench.html", "bench.json"]


def test_what_is_no_result_is_refused(result, tmp_path):
    path = tmp_path / "bench.json"
    with pytest.raises(IntegrityError, match="missing"):
        read_result(path)
    text = result.model_dump_json()
    for content, message in [
        (text[: len(text) // 2], "is not JSON"),
        (json.dumps({**json.loads(text), "schema_version": 2}), "schema version 2, this litho reads up to 1"),
        (json.dumps({**json.loads(text), "points": []}), "is not a result of 'litho bench': points"),
        ('{"schema_version": 1}', "is not a result of 'litho bench': target"),
    ]:
        path.write_text(content)
        with pytest.raises(SchemaError, match=message):
            read_result(path)
