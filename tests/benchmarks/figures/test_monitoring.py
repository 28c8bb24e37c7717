"""The table of waits by each witness."""

from litho.benchmarks.figures import monitoring
from litho.benchmarks.figures.base import Results


def test_every_model_has_a_row_and_what_is_wrong_is_counted() -> None:
    result = Results().read("monitoring")
    texts = monitoring.write(Results())
    rows = texts[""].splitlines()[2:]
    assert len(rows) == len(result["waited"])
    for row, one in zip(rows, result["waited"], strict=True):
        assert row.startswith(f"| `{one['model']}`")
        assert (", in flight |" in row) == one["in_flight"]
    assert f"of {len(result['checked'])} series" in texts["right"]
    assert "/" not in result["command"]
