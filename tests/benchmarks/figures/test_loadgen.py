"""The table of MLPerf LoadGen."""

from litho.benchmarks.figures import loadgen
from litho.benchmarks.figures.base import Results
from litho.benchmarks.mlperf.documents import read_result
from litho.benchmarks.mlperf.logs import Summary, parse_summary
from litho.benchmarks.shared.command import RESULTS


def test_rows_say_what_loadgen_says_of_each_scenario() -> None:
    measured = read_result(RESULTS / "loadgen.json")
    texts = loadgen.write(Results())
    rows = texts[""].splitlines()[2:]
    assert [one.scenario for one in measured.scenarios] == [
        "single-stream",
        "multi-stream",
        "offline",
        "server",
    ]
    for row, one in zip(rows, measured.scenarios, strict=True):
        assert row.startswith(f"| {one.scenario} | {one.loadgen}")
        assert (
            f"| {one.samples:,} | {one.under_load.pictures} passed | {one.accuracy.pictures} passed |" in row
        )
    assert "no official MLPerf result" in " ".join(texts["run"].split())


def test_the_result_is_what_loadgen_s_own_summaries_say() -> None:
    for one in read_result(RESULTS / "loadgen.json").scenarios:
        summary: Summary = parse_summary((RESULTS / "loadgen" / one.summary_log).read_text())
        assert summary.valid == (one.loadgen == "VALID")
        scale = 1e-6 if one.unit == "ms" else 1
        assert one.value == summary.figures[one.metric] * scale
        assert one.latency_ms == summary.percentiles_ms
