"""Writes the measured figures of README, CHANGELOG and docs from `benchmarks/results/*.json`.

    python -m litho.benchmarks.publish [--check]

A figure or table stands between two marks, which readers of the page do not see:

    <!-- figures: endpoints -->
    | generator | clients | ...
    <!-- end -->

`endpoints` is the writer `benchmarks/figures/endpoints.py`, and `endpoints.best` another of its regions. A region
whose marks lie in one line holds part of a sentence. The pictures of studies in `docs/` are drawn again where their
document has changed. With `--check` nothing is written: exit code 1 and one line for each region and picture that
differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from ..errors import LithoError, UnknownName
from ..files import sha256, write_bytes
from ..plugins import load_plugin, plugin_names
from .figures.base import Results
from .shared.command import errors_of
from .study_pages import STUDIES, draw, source_of

__all__ = ["PAGES", "ROOT", "Published", "fill", "main", "publish"]

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CHANGELOG.md", "docs/**/*.md")
"""Pages with figures, as patterns inside the repository."""

_FIGURES = "litho.benchmarks.figures"
_REGION = re.compile(r"<!-- figures: (?P<name>[\w.-]+) -->(?P<text>.*?)<!-- end -->", re.DOTALL)
_MARK = re.compile(r"<!-- (?:figures: [^>]*|end) -->")
_AT_LINE_START = re.compile(r"^ {0,3}<!-- (?:figures: \S+ -->.*\S|end -->.*\S)", re.MULTILINE)


class Published:
    """The text of every region, made when it is first asked for.

    Args:
        results: the documents that the writers read.
    """

    def __init__(self, results: Results | None = None) -> None:
        self._results = results or Results()
        self._texts: dict[str, Mapping[str, str]] = {}

    def text(self, name: str) -> str:
        """The text of a region.

        Args:
            name: of the writer, or of one of its regions: "endpoints", "endpoints.best".

        Raises:
            UnknownName: there is no such writer or region.
            LithoError: a document is missing or damaged.
        """
        writer, _, key = name.partition(".")
        if writer not in self._texts:
            self._texts[writer] = load_plugin(_FIGURES, writer, "figures").write(self._results)
        texts = self._texts[writer]
        if key not in texts:
            raise UnknownName("figures", name, [_region_name(writer, one) for one in texts])
        return texts[key]

    def names(self) -> set[str]:
        """Names of all regions."""
        for plugin in plugin_names(_FIGURES):
            name = plugin.replace("_", "-")
            if name not in self._texts:
                self._texts[name] = load_plugin(_FIGURES, name, "figures").write(self._results)
        return {_region_name(writer, key) for writer, texts in self._texts.items() for key in texts}


def _region_name(writer: str, key: str) -> str:
    return f"{writer}.{key}" if key else writer


def fill(page: str, text_of: Callable[[str], str]) -> str:
    """A page with new text in its regions.

    Args:
        page: its Markdown.
        text_of: name of a region -> its text.

    Raises:
        LithoError: a mark has no partner, or stands where Markdown would take its line for HTML.
    """

    def replace(region: re.Match[str]) -> str:
        inline = "\n" not in region["text"]
        new = text_of(region["name"])
        if inline and "\n" in new:
            raise LithoError(
                f"the figures {region['name']} have several lines; give each mark a line of its own"
            )
        return (
            f"<!-- figures: {region['name']} -->{new if inline else f'{chr(10)}{new}{chr(10)}'}<!-- end -->"
        )

    filled = _REGION.sub(replace, page)
    if lost := _MARK.search(_REGION.sub(lambda region: region["text"], page)):
        raise LithoError(f"{lost[0]} has no partner; a region is <!-- figures: NAME -->TEXT<!-- end -->")
    if line := _AT_LINE_START.search(filled):
        raise LithoError(f"a line begins with a mark, and Markdown takes it for HTML: {line[0].strip()[:60]}")
    return filled


def publish(root: Path = ROOT, results: Results | None = None, *, write: bool = True) -> tuple[str, ...]:
    """Write all regions of all pages.

    Args:
        root: of the repository.
        results: the documents; by default those of the repository.
        write: False only compares.

    Returns:
        One line for each region that differed: page and name; and for each picture.

    Raises:
        LithoError: a region or a document is missing or damaged, or figures stand on no page.
    """
    results = results or Results()
    published, used, differing = Published(results), set[str](), list[str]()
    for page in _pages(root):
        before = page.read_text(encoding="utf-8")
        names = [region["name"] for region in _REGION.finditer(before)]
        used.update(names)
        after = fill(before, published.text)
        if after != before:
            pairs = zip(_REGION.finditer(before), _REGION.finditer(after), strict=True)
            differing += [
                f"{page.relative_to(root)}: {old['name']}" for old, new in pairs if old["text"] != new["text"]
            ]
            if write:
                write_bytes(page, after)
    if unused := sorted(published.names() - used):
        raise LithoError(f"no page shows the figures {', '.join(unused)}; add a region, or remove them")
    return (*differing, *_pictures(root, results, write))


def _pictures(root: Path, results: Results, write: bool) -> Iterable[str]:
    """The pictures of studies that show another document than the stored one."""
    for name in STUDIES:
        picture = root / "docs" / f"{name}.png"
        if picture.is_file():
            document = results.path(name)
            if source_of(picture) != sha256(document):
                if write:
                    write_bytes(picture, draw(name, document)[1])
                yield str(picture.relative_to(root))


def _pages(root: Path) -> Iterable[Path]:
    return (page for pattern in PAGES for page in sorted(root.glob(pattern)))


def main(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a page differs.")] = False,
) -> None:
    """Write the measured figures of README, CHANGELOG and docs."""
    with errors_of("publish"):
        differing = publish(write=not check)
    for line in differing:
        typer.echo(line)
    if check and differing:
        typer.echo(
            "publish: error: these figures are not those of benchmarks/results; run make figures", err=True
        )
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
