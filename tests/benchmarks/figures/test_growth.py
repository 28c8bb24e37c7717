"""The table of growth."""

from litho.benchmarks.figures import growth
from litho.benchmarks.figures.base import Results


def test_every_series_has_a_row() -> None:
    series = Results().read("growth")["series"]
    texts = growth.write(Results())
    assert len(texts[""].splitlines()) - 2 == len(series)
    assert "litho.benchmarks.growth" in texts["where"]
