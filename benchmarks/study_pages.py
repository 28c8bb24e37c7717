"""Draws the pages of stored studies: `python -m litho.benchmarks.study_pages [growth] [limits] --output FOLDER`.

Nothing is measured: `growth.html` and `limits.html`, with their pictures `growth.png` and `limits.png`, are made from
`results/growth.json` and `results/limits.json`. A picture names its document by its hash (`source_of`), so that
`publish` knows whether the pictures of the docs are those of the stored results.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..bundle.json_documents import read_as
from ..errors import UsageError
from ..extras import require
from ..files import sha256, write_bytes
from .growth import page as growth_page
from .growth.series import GrowthResult
from .limits import page as limits_page
from .limits.roofline import Limits
from .shared.command import RESULTS, errors_of

__all__ = ["STUDIES", "draw", "main", "source_of"]

STUDIES = ("growth", "limits")
_SOURCE = "Source"
"""Key of the text of a PNG file: https://www.w3.org/TR/png-3/#11keywords."""


def draw(name: str, file: Path) -> tuple[str, bytes]:
    """Draw the page and the picture of a stored study.

    Args:
        name: one of `STUDIES`.
        file: its document.

    Returns:
        The content of the HTML file, and of the PNG file, which holds the hash of the document.

    Raises:
        UsageError: there is no such study.
        LithoError: the document is missing or damaged.
        MissingExtra: Jinja2 or vl-convert is not installed.
    """
    if name == "growth":
        growth = read_as(GrowthResult, "a measurement of growth", file.parent, file.name, 1)
        return growth_page.page(growth), _signed(growth_page.picture(growth), file)
    if name == "limits":
        limits = read_as(Limits, "a measurement of limits", file.parent, file.name, 1)
        return limits_page.page(limits), _signed(limits_page.picture(limits), file)
    raise UsageError(f"there is no study {name!r}; allowed: {', '.join(STUDIES)}")


def _signed(picture: bytes, file: Path) -> bytes:
    """The picture in 256 colours, a quarter of the bytes, with the hash of the document that it shows."""
    facts = PngInfo()
    facts.add_text(_SOURCE, sha256(file))
    content = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as opened:
        opened.convert("RGB").quantize(256).save(content, "PNG", optimize=True, pnginfo=facts)
    return content.getvalue()


def source_of(picture: Path) -> str:
    """SHA-256 of the document that a picture shows, in hexadecimal; empty if it names none."""
    with Image.open(picture) as opened:
        return str(opened.info.get(_SOURCE, ""))


def main(
    studies: Annotated[
        list[str] | None, typer.Argument(help="growth, limits; by default both.", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pages and pictures.")] = Path(
        "studies"
    ),
    results: Annotated[Path, typer.Option(help="Folder with the documents.")] = RESULTS,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder for the pictures, where it is not --output.")
    ] = None,
) -> None:
    """Draw the pages of stored studies, and their pictures."""
    with errors_of("study_pages"):
        require("jinja2", "bench")
        require("vl_convert", "bench")
        for name in dict.fromkeys(studies or STUDIES):
            page, picture = draw(name, results / f"{name}.json")
            write_bytes(output / f"{name}.html", page)
            write_bytes((pictures or output) / f"{name}.png", picture)
            typer.echo(output / f"{name}.html")


if __name__ == "__main__":
    typer.run(main)
