import pytest

from litho.benchmarks import bench
from litho.benchmarks.load.report import lines, page, remarks, table, view

pytestmark = pytest.mark.slow


def test_page_begins_with_verdict_speed_date_and_machine(result, read_page):
    (verdict,) = read_page(page(result)).of_class("verdict")
    passed = "passed" if result.comparison.passed else "failed"
    assert verdict.of_class("badge")[0].text == passed
    for expected in (
        f"{result.comparison.ratio:.2f} times the images/s",
        "the limit is 0.8",
        str(result.best.load),
        result.measured_at[:10],
        result.machine.processor,
    ):
        assert expected in verdict.text


def test_page_escapes_what_it_is_given(result, read_page):
    hostile = '</title><script>alert("x")</script><img src="https://example.invalid/x.png">'
    shown = read_page(page(result.model_copy(update={"target": hostile, "runner": hostile})))
    assert hostile in shown.text


def test_page_shows_server_statistics_memory_method_and_machine(result, read_page):
    shown = read_page(page(result))
    for part in ("batch formed", "queue ms", "Memory under load", result.machine.processor, "not counted"):
        assert part in shown.text
    assert str(result.method.first_seed) in shown.text
    folded = [details.all("h2")[0].text for details in shown.all("details")]
    assert folded == ["Method", "Machine"]


def test_same_result_gives_the_same_page(result):
    assert page(result) == page(result)


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


def test_in_process_result_has_no_columns_of_a_server(planted_runner, read_page):
    result = bench(planted_runner(), batch=(1,), seconds=0.03)
    headings, _ = table(result)
    assert headings[0] == "batch|right"
    assert "CPU ms|right" in headings
    assert not {"queue ms|right", "client CPU ms|right"} & set(headings)
    assert len(view(result)["charts"]) == 2
    shown = read_page(page(result))
    assert "None" not in shown.text
    assert not shown.of_class("verdict")[0].of_class("badge")
