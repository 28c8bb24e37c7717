"""Every message of docs/troubleshooting.md is one that the code raises."""

import ast
import re

import pytest

from .conftest import ROOT, read_page
from .test_glossary import modules

MESSAGES = re.findall(
    r"^\| `(.+?)` \|", (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE
)


def texts() -> set[str]:
    """Every string of the product, with "…" for what it fills in."""
    found: set[str] = set()
    for node in (node for tree in modules().values() for node in ast.walk(tree)):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            found.add(" ".join("".join(map(str, parts)).split()))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(" ".join(node.value.split()))
    return found


@pytest.fixture(scope="module")
def raised() -> set[str]:
    return texts()


@pytest.mark.parametrize("message", MESSAGES)
def test_the_message_is_in_the_code(message: str, raised: set[str]) -> None:
    fragments = [re.escape(fragment) for fragment in re.split("…", message)]
    pattern = re.compile(".*".join(fragments))
    assert any(pattern.search(text) for text in raised), f"no code says: {message}"


def test_the_page_covers_every_stage() -> None:
    headings = re.findall(r"^## (.+)$", read_page(ROOT / "docs" / "troubleshooting.md").text, re.MULTILINE)
    assert headings == [
        "Installation", "Commands", "Training", "Export", "Bundles", "Serving", "Machine",
    ]  # fmt: skip
    assert len(MESSAGES) > 50
