"""Building blocks of reports: pictures, grids of pictures, plots, and HTML pages.

Every page is one file that links to nothing outside: it opens offline, on a phone, in dark mode and on paper, and says
the same without scripts. This module needs NumPy and Pillow; Jinja2 to render a page; Matplotlib to plot. It knows
nothing of what is shown.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .._version import __version__
from ..errors import UnknownName, UsageError
from ..extras import require

if TYPE_CHECKING:
    import jinja2

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "THEMES",
    "Chart",
    "PageImage",
    "data_uri",
    "format_count",
    "human_bytes",
    "number",
    "page_image",
    "picture_grid",
    "plot",
    "png",
    "render",
]

TEMPLATES = Path(__file__).parent / "templates"
SMALL_PICTURE_PIXELS = 96
"""A narrower picture is magnified to about this width by default."""

_THIN_SPACE = "\u202f"
"""Separates thousands: narrow, and no line ends there (ISO 80000-1)."""

_SQUARES = (255, 204)
"""Grey levels of the squares that shine through a transparent picture on a page."""

_SQUARE_PIXELS = 8
"""Side of a square, in CSS pixels."""

_INK = (116, 122, 132, 255)
"""Grey with the same contrast to the light and the dark page."""

# Wide enough for a column of the page, narrow enough that its words stay legible on a phone.
_CHART_INCHES = (4.8, 3.3)
THEMES = {"light": ("#1d2127", "#5a606b", "#d9dde3"), "dark": ("#e4e7eb", "#9aa2ad", "#343a42")}
"""Ink, soft ink and lines of both pages, as in `templates/style.css`."""

# Distinguishable with every common kind of colour blindness (Okabe and Ito, 2008), on white and on black.
BLUE, ORANGE, GREEN, GREY = "#3b8fd1", "#e08a1e", "#1fa187", "#8b939e"


@dataclass(frozen=True)
class Chart:
    """A plot: the content of two SVG files, for a light and a dark page, and what it shows in words."""

    light: bytes
    dark: bytes
    alt: str


@dataclass(frozen=True)
class PageImage:
    """A picture in a table of a page.

    Args:
        content: of a PNG file.
        alt: what it shows, in words.
        width, height: size on the page, in CSS pixels.
    """

    content: bytes
    alt: str
    width: int
    height: int


def picture_grid(
    images: NDArray[np.uint8],
    *,
    columns: int | None = None,
    magnify: int | None = None,
    gap: int | None = None,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
) -> Image.Image:
    """Arrange pictures in rows, left to right and top to bottom: an RGBA image, transparent between them.

    Where a picture is transparent, so is the image.

    Args:
        images: UINT8 of shape (count, height, width, channels), 0 to 255; 1 to 4 channels.
        columns: pictures per row; by default about the square root of their number.
        magnify: whole factor by which each pixel is repeated; by default small pictures grow to 96 pixels.
        gap: pixels between pictures; by default one magnified pixel, at least 2.
        row_names: headings on the left, one for each row, or none.
        column_names: headings above, one for each column, or none.

    Raises:
        UsageError: wrong dtype or shape, or a wrong number of headings.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or not 1 <= images.shape[3] <= 4 or 0 in images.shape:
        raise UsageError(
            f"a picture grid was given {images.dtype} of shape {images.shape};"
            " it takes UINT8 of shape (count, height, width, 1 to 4)"
        )
    count, height, width, _ = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    for names, expected, what in ((row_names, rows, "row"), (column_names, columns, "column")):
        if names and len(names) != expected:
            raise UsageError(f"a picture grid with {expected} {what}s was given {len(names)} {what} names")
    scale = magnify or _magnification(width)
    space = max(2, scale) if gap is None else gap
    step_x, step_y = width * scale + space, height * scale + space
    font_pixels = max(11, min(20, height * scale // 5))
    font = ImageFont.load_default(size=font_pixels)
    left = max((math.ceil(font.getlength(name)) for name in row_names), default=0) + (
        3 * space if row_names else 0  # one in front, because a glyph may reach beyond its width
    )
    top = math.ceil(font_pixels * 1.5) + space if column_names else 0
    page = Image.new("RGBA", (left + columns * step_x - space, top + rows * step_y - space))
    for index, picture in enumerate(images):
        row, column = divmod(index, columns)
        page.paste(_magnified(picture, scale), (left + column * step_x, top + row * step_y))
    draw = ImageDraw.Draw(page)
    descent = math.ceil(font_pixels * 0.25)
    for row, name in enumerate(row_names):
        middle = top + row * step_y + height * scale // 2
        draw.text((left - 2 * space, middle), name, fill=_INK, font=font, anchor="rm")
    for column, name in enumerate(column_names):
        middle = left + column * step_x + width * scale // 2
        # All on one baseline, with or without descenders.
        draw.text((middle, top - space - descent), name, fill=_INK, font=font, anchor="ms")
    return page


def page_image(pixels: NDArray[np.uint8], alt: str) -> PageImage:
    """A picture for a table of a page; the browser magnifies small ones to about 96 pixels.

    Where a picture is transparent, a chequered ground shows.

    Args:
        pixels: UINT8 of shape (height, width, channels), 0 to 255; 1 to 4 channels.
        alt: what it shows, in words.
    """
    height, width, _ = pixels.shape
    scale = _magnification(width)
    shown = _on_squares(pixels, max(1, round(_SQUARE_PIXELS / scale)))
    return PageImage(png(shown), alt, scale * width, scale * height)


def png(picture: Image.Image | NDArray[np.uint8]) -> bytes:
    """The content of a PNG file.

    Args:
        picture: a Pillow image, or UINT8 of shape (height, width, channels), 0 to 255; 1 to 4 channels.
    """
    image = picture if isinstance(picture, Image.Image) else _to_image(picture)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def plot(
    draw: Callable[[Any], None],
    alt: str,
    *,
    size_inches: tuple[float, float] = _CHART_INCHES,
    grid: str = "y",
) -> Chart:
    """Draw a chart. The same drawing gives the same bytes.

    Args:
        draw: draws on Matplotlib axes; everything with a label enters the legend.
        alt: what the chart shows, in words.
        size_inches: width and height; text has 10 points.
        grid: axis with grid lines: "x", "y" or "both".

    Raises:
        MissingExtra: Matplotlib is not installed.
    """
    light, dark = (_svg(draw, theme, size_inches, grid) for theme in THEMES)
    return Chart(light, dark, alt)


def data_uri(content: bytes | str, media_type: str = "image/png") -> str:
    """A data URI (RFC 2397) of `content`; text is encoded as UTF-8."""
    data = content.encode() if isinstance(content, str) else content
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def render(template_name: str, **context: Any) -> str:
    """Render a template of the folder `templates`. Every value is escaped; a missing one is an error.

    Args:
        template_name: file name, for example "bench.html".
        context: variables of the template.

    Returns:
        One HTML document that needs no other file.

    Raises:
        UnknownName: there is no such template.
        MissingExtra: Jinja2 is not installed.
    """
    environment = _environment()
    known = environment.list_templates()
    if template_name not in known:
        raise UnknownName("template", template_name, known)
    return environment.get_template(template_name).render(litho_version=__version__, contents=[], **context)


def number(value: float | None, digits: int = 3) -> str:
    """Format a number to `digits` significant digits, with thousands apart; a dash stands for None and NaN."""
    if value is None or math.isnan(value):
        return "\u2013"
    if value == 0 or math.isinf(value):
        return "∞" if value > 0 else "-∞" if value < 0 else "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}".replace(",", _THIN_SPACE)


def human_bytes(count: float) -> str:
    """Format a size with a binary unit, for example "17.4 MiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} B" if unit == "B" else f"{number(count)} {unit}"


def format_count(count: int) -> str:
    """Format a whole number with its thousands apart."""
    return f"{count:,}".replace(",", _THIN_SPACE)


@cache
def _environment() -> jinja2.Environment:
    jinja2 = require("jinja2", "bench")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(data_uri=data_uri, slug=_slug, breakable=_breakable)
    environment.globals["zip"] = partial(zip, strict=True)
    return environment


def _slug(heading: str) -> str:
    """A heading as the id of its element."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def _breakable(name: str) -> Any:
    """A name that may wrap after its dots and underscores."""
    markup = require("markupsafe", "bench")
    return markup.Markup(re.sub(r"[._](?=\w)", r"\g<0><wbr>", str(markup.escape(name))))


def _svg(draw: Callable[[Any], None], theme: str, size_inches: tuple[float, float], grid: str) -> bytes:
    matplotlib = require("matplotlib", "export")
    figures = require("matplotlib.figure", "export")
    ink, soft, line = THEMES[theme]
    style = {
        "font.size": 10,
        "svg.fonttype": "none",  # text stays text: small, sharp and searchable
        "svg.hashsalt": "litho",  # the same result gives the same bytes
        "text.color": ink,
        "axes.labelcolor": soft,
        "axes.edgecolor": line,
        "axes.grid": True,
        "axes.grid.axis": grid,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": line,
        "xtick.color": soft,
        "ytick.color": soft,
        "legend.frameon": False,
        "legend.fontsize": 9,
    }
    with matplotlib.rc_context(style):
        # A bare Figure, without pyplot: no window system is looked for and nothing is kept afterwards.
        figure = figures.Figure(figsize=size_inches, layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        if axes.get_legend_handles_labels()[0] and not figure.legends:
            figure.legend(loc="outside upper left", ncols=4, columnspacing=1.2, handlelength=1.6)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _magnification(width: int) -> int:
    return max(1, round(SMALL_PICTURE_PIXELS / width))


def _magnified(picture: NDArray[np.uint8], scale: int) -> Image.Image:
    image = _to_image(picture).convert("RGBA")
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def _on_squares(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture with alpha on a chequered ground, UINT8 (height, width, 3); without alpha the picture itself."""
    height, width, channels = picture.shape
    if channels % 2:
        return picture
    rows, columns = np.indices((height, width)) // side
    ground = np.where((rows + columns) % 2, np.uint8(_SQUARES[1]), np.uint8(_SQUARES[0]))
    below = Image.fromarray(ground).convert("RGBA")
    return np.asarray(Image.alpha_composite(below, _to_image(picture).convert("RGBA")).convert("RGB"))


def _to_image(picture: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
