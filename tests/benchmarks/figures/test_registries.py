"""The table of registries."""

from litho.benchmarks.figures import registries
from litho.benchmarks.figures.base import Results


def test_every_kind_has_a_row() -> None:
    runs = Results().read("registries")["runs"]
    texts = registries.write(Results())
    assert len(texts[""].splitlines()) - 2 == len(runs)
    assert "litho.benchmarks.registries" in texts["where"]
