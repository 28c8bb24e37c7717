"""Numbers as the pages show them."""

from pathlib import Path

import pytest

from litho.benchmarks.figures.base import WIDTH, Results, paragraph, table, three_digits, whole
from litho.benchmarks.passes.documents import Gains
from litho.errors import LithoError


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.512345, "0.512"), (4.9, "4.90"), (31.94, "31.9"), (99.96, "100"), (1250.4, "1250"), (0, "0.00")],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert three_digits(value) == text


def test_whole_numbers_have_separators() -> None:
    assert whole(12345.6) == "12,346"


def test_a_table_has_a_line_for_each_row() -> None:
    assert table(("", "b"), [("1", "2")]).splitlines() == ["| | b |", "| --- | --- |", "| 1 | 2 |"]


def test_a_paragraph_keeps_to_its_width_and_its_words() -> None:
    text = "word " * 100 + "a-very-long-word-" * 10
    lines = paragraph(text).splitlines()
    assert " ".join(lines).split() == text.split()
    assert all(len(line) <= WIDTH for line in lines[:-1])


def test_a_document_that_is_missing_damaged_or_of_another_kind_is_one_line(tmp_path: Path) -> None:
    results = Results(tmp_path)
    for content, words in (
        (None, "passes.json is missing in benchmarks/results"),
        ("{", "passes.json"),
        ('{"schema_version": 1}', "is not a result of kind Gains: gains"),
        ('{"schema_version": 2}', "schema"),
    ):
        if content is not None:
            (tmp_path / "passes.json").write_text(content)
        with pytest.raises(LithoError, match=words) as refused:
            results.document(Gains, "passes")
        assert "\n" not in str(refused.value)
