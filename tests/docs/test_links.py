"""Links, anchors, paths and dotted names in the documentation lead somewhere."""

import importlib
import re
from pathlib import Path
from urllib.parse import unquote

from .conftest import ROOT, Page, read_page

FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
MADE_BY_COMMANDS = {"runs", "bundles", "demo"}

_LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"^(?:\.\./)*(\w+(?:/[\w.-]+)*/?)$")
_DOTTED = re.compile(r"\blitho(?:\.[a-zA-Z_]\w*)+")


def slugs(page: Page) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.text, flags=re.DOTALL), re.MULTILINE)
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def test_every_link_leads_to_a_file_and_a_heading(page: Page) -> None:
    for target in _LINK.findall(page.prose):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = unquote(target).partition("#")
        path = (page.path.parent / file).resolve() if file else page.path
        assert path.exists(), f"{page.name} links to {target}, which is missing"
        assert path == ROOT or ROOT in path.parents, f"{page.name} links to {target}, outside the repository"
        assert not anchor or anchor in slugs(read_page(path)), f"{target}: {path.name} has no such heading"


def test_every_path_of_the_repository_exists(page: Page) -> None:
    for code in page.inline_code:
        match = _PATH.match(code)
        first = match[1].split("/")[0] if match else ""
        if match and "/" in match[1] and first in FOLDERS - MADE_BY_COMMANDS:
            exists = (ROOT / match[1]).exists() or (ROOT / f"{match[1]}.py").exists()
            assert exists, f"{page.name} names {code}, which is missing"


def test_every_dotted_name_can_be_imported(page: Page) -> None:
    code = [*page.inline_code, *(content for _, content in page.blocks)]
    for name in {name for text in code for name in _DOTTED.findall(text)}:
        assert _resolves(name), f"{page.name} names {name}, which does not exist"


def _resolves(name: str) -> bool:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


def test_every_page_is_reached_from_the_index() -> None:
    index = read_page(ROOT / "docs" / "README.md")
    linked = {
        (index.path.parent / target.partition("#")[0]).resolve() for target in _LINK.findall(index.prose)
    }
    pages: set[Path] = set((ROOT / "docs").glob("*.md")) - {index.path}
    assert pages <= linked, f"docs/README.md does not link {sorted(path.name for path in pages - linked)}"
