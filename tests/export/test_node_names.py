from hypothesis import given, strategies as st

from litho.export.node_names import module_of, node_name, top_module_of

parts = st.text("abc_0123", min_size=1)


@given(st.lists(parts), st.lists(parts, min_size=1))
def test_a_name_gives_its_module_back(path: list[str], operation: list[str]) -> None:
    name = node_name(".".join(path), "/".join(operation))
    assert module_of(name) == ".".join(path)
    assert top_module_of(name) == (path[0] if path else "")
