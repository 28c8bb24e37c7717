"""What the tests of the documentation share: the pages, and the code blocks in them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import litho

ROOT = Path(litho.__file__).parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^    \S.*\n)+", re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")


class Page(NamedTuple):
    """One Markdown file, in the parts that are tested differently."""

    path: Path
    text: str
    blocks: tuple[tuple[str, str], ...]
    """Language and content of each fenced or indented block."""
    prose: str
    """Everything else."""

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def inline_code(self) -> list[str]:
        return [" ".join(code.split()) for code in _INLINE.findall(self.prose)]


def read_page(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    fenced = tuple((language, content) for language, content in _FENCE.findall(text))
    prose = _FENCE.sub("", text)
    indented = tuple(("", content) for content in _INDENTED.findall(prose))
    return Page(path, text, fenced + indented, _INDENTED.sub("", prose))


@pytest.fixture(scope="session", params=PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Page:
    return read_page(request.param)


def environment() -> dict[str, str]:
    """The environment of a reader who has activated the installation that the tests run in."""
    programs = Path(sys.executable).parent
    return {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


def commands_of(block: str) -> list[str]:
    """The shell commands of a block, one a line."""
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def run(command: str | list[str], folder: Path) -> str:
    """Run a command in `folder` and return what it prints; it must not fail."""
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(),
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout
