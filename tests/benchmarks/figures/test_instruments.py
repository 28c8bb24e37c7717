"""The table of litho's load generator beside perf_analyzer."""

from litho.benchmarks.figures import instruments
from litho.benchmarks.figures.base import Results


def test_every_comparison_has_a_row_and_misses_are_counted() -> None:
    results = Results()
    compared = results.read("perf-analyzer")["compared"]
    texts = instruments.write(results)
    rows = texts[""].splitlines()[2:]
    assert len(rows) == len(compared)
    for row, one in zip(rows, compared, strict=True):
        assert row.startswith(f"| `{one['bundle']}` | {one['protocol']} | {one['clients']} |")
    assert f"of {len(compared)} rows are within the bounds" in texts["near"]
    assert "perf_analyzer" in texts["null"]
