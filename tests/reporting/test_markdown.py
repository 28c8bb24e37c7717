from hypothesis import given, strategies as st

from litho.reporting.markdown import markdown_table

cells = st.text("abc 123.", min_size=1).map(str.strip)


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), min_size=1)))
def test_every_cell_stands_in_its_row_and_column(table: list[list[str]]) -> None:
    head, rule, *rows = markdown_table(table[0], table[1:])
    assert set(rule) == {"|", "-", " "}
    for line, wanted in zip([head, *rows], table, strict=True):
        assert [cell.strip() for cell in line.split("|")[1:-1]] == wanted
        assert line.count("|") == rule.count("|")
