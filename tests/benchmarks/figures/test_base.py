"""Numbers as the pages show them."""

import pytest

from litho.benchmarks.figures.base import WIDTH, paragraph, table, three_digits, whole


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
