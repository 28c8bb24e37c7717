"""docs/api.md is what `make docs` writes from the docstrings of today."""

from pathlib import Path
from types import ModuleType

import litho

ROOT = Path(litho.__file__).parent


def test_the_page_is_up_to_date(script: ModuleType) -> None:
    written = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert written == script.reference(), "docs/api.md is out of date; run: make docs"


def test_every_public_name_has_an_entry_and_a_docstring(script: ModuleType) -> None:
    page = script.reference()
    for name in litho.__all__:
        assert name.startswith("_") or f"### litho.{name}\n" in page
    assert "```\n\n###" not in page, "a signature without a docstring"


def test_sections_and_items_become_lists(script: ModuleType) -> None:
    docstring = """Do it.

    Args:
        first: what, and
            on.
        second, third: more.

    Returns:
        A thing.
    """
    assert script.markdown(docstring) == (
        "Do it.\n\n**Args**\n\n- `first`: what, and\n  on.\n- `second, third`: more.\n\n**Returns**\n\n  A thing.\n"
    )
