import pytest

from litho.benchmarks import bench
from litho.benchmarks.load.page.report import lines, remarks, table

pytestmark = pytest.mark.slow


def test_table_has_a_row_for_each_load(result):
    headings, rows = table(result)
    assert [row[headings.index("concurrency|right")] for row in rows] == ["1", "4"]
    assert all(len(row) == len(headings) for row in rows)
    assert "batch|right" not in headings  # it is 1 everywhere
    brief, _ = table(result, brief=True)
    assert set(brief) < set(headings)


def test_lines_for_the_terminal_end_with_the_remarks(result):
    shown = lines(result)
    assert any(line.startswith("A / B: ") for line in shown)
    assert any(line.startswith("memory at the end: client") for line in shown)
    assert shown[len(shown) - len(list(remarks(result))) :] == list(remarks(result))


def test_client_that_is_the_bottleneck_and_strangers_at_the_server_are_mentioned(result):
    busy = result.points[0].windows[0]
    server = busy.server.model_copy(update={"requests": 10 * result.points[0].requests})
    windows = (busy.model_copy(update={"client_cpu_ms": 1e3 * busy.seconds / busy.requests}),)
    point = result.points[0].model_copy(update={"windows": windows, "server": server})
    found = list(remarks(result.model_copy(update={"points": (point,)})))
    assert any("the load generator kept 1.00 cores busy" in remark for remark in found)
    assert any("of which this benchmark sent" in remark for remark in found)


def test_in_process_result_has_no_columns_of_a_server(planted_runner):
    result = bench(planted_runner(), batch=(1,), seconds=0.03)
    headings, _ = table(result)
    assert headings[0] == "batch|right"
    assert "CPU ms|right" in headings
    assert not {"queue ms|right", "client CPU ms|right"} & set(headings)
