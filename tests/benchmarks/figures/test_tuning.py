"""The table of a search has the default first, and its verdict says what was confirmed."""

from litho.benchmarks.figures import tuning
from litho.benchmarks.figures.base import Results
from litho.benchmarks.tuning import read_tuning, verdict


def test_the_table_and_the_verdict_are_those_of_the_document() -> None:
    found = read_tuning(Results().path("tune-cgan-digits"))
    texts = tuning.write(Results())
    rows = texts[""].splitlines()[2:]
    assert rows[0].startswith("| default | 1.00 |")
    assert 1 < len(rows) <= 1 + len(found.trials)
    said = texts["verdict"].replace("\n", " ")
    assert found.command in said
    assert verdict(found) in said
    assert f"{len(found.trials)} candidates" in said
