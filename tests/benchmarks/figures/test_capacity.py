"""The tables of capacity."""

from litho.benchmarks.capacity.documents import read_capacity
from litho.benchmarks.figures import capacity
from litho.benchmarks.figures.base import Results


def test_every_load_and_every_way_to_serve_has_a_row() -> None:
    found = read_capacity(Results().path("capacity"))
    texts = capacity.write(Results())
    assert len(texts[""].splitlines()) - 2 == sum(len(one.points) for one in found.checked)
    assert len(texts["machines"].splitlines()) - 2 == len(found.reach)
    assert f"{texts['share']} figures are predicted within 10%" in " ".join(texts["where"].split())
