"""The tables of capacity."""

from pathlib import Path

import pytest

from litho.benchmarks.capacity.documents import read_capacity
from litho.benchmarks.figures import capacity
from litho.benchmarks.figures.base import Results


def test_every_load_and_every_way_to_serve_has_a_row() -> None:
    found = read_capacity(Results().path("capacity"))
    texts = capacity.write(Results())
    assert len(texts[""].splitlines()) - 2 == sum(len(one.points) for one in found.checked)
    assert len(texts["machines"].splitlines()) - 2 == len(found.reach)
    assert f"{texts['share']} figures are predicted within 10%" in " ".join(texts["where"].split())


@pytest.mark.parametrize("windows", [0, 2])
def test_a_document_without_windows_is_said_to_be_of_an_earlier_version(tmp_path: Path, windows: int) -> None:
    found = read_capacity(Results().path("capacity"))
    first = found.checked[0]
    points = [one.model_copy(update={"windows": (one.measured,) * windows}) for one in first.points]
    checked = (first.model_copy(update={"points": tuple(points)}),)
    (tmp_path / "capacity.json").write_text(found.model_copy(update={"checked": checked}).model_dump_json())
    said = capacity.write(Results(tmp_path))["where"]
    assert ("An earlier version measured" in said) == (windows == 0)
