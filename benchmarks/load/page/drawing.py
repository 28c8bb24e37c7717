"""Charts as pictures and for pages.

The Python side draws a chart without a browser (vl-convert). A page draws the same specification again with Vega's
JavaScript, which stands in the page once; nothing is loaded from outside.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from ....extras import require
from ....reporting import THEMES, Chart as StillChart
from .charts import Chart

__all__ = ["javascript", "page_charts", "png", "script_policy", "still"]

VERSION = "6.4"
"""Of Vega-Lite, whose specifications these are."""

WIDTH, HEIGHT = 430, 250
"""Size of a chart as a picture, in CSS pixels; on a page a chart is as wide as its column."""


def still(drawn: Chart) -> StillChart:
    """The chart as two SVG files, for a light and a dark page.

    Raises:
        MissingExtra: vl-convert is not installed.
    """
    convert = require("vl_convert", "bench")
    specification = {**drawn.specification, "width": WIDTH, "height": HEIGHT}
    light, dark = (
        _renumbered(
            convert.vegalite_to_svg(specification, vl_version=VERSION, config=_config(theme))
        ).encode()
        for theme in THEMES
    )
    return StillChart(light, dark, drawn.alt)


def png(drawn: Sequence[Chart], heading: str, note: str = "") -> bytes:
    """A PNG of charts side by side, on white, for a README.

    Args:
        drawn: the charts.
        heading: above them.
        note: a line below the heading.

    Raises:
        MissingExtra: vl-convert is not installed.
    """
    convert = require("vl_convert", "bench")
    picture = {
        "title": {"text": heading, "subtitle": note, "anchor": "start", "fontSize": 16, "offset": 14},
        "columns": 2,
        "concat": [
            {
                **each.specification,
                "title": {"text": each.title, "anchor": "start", "fontSize": 12},
                "width": WIDTH,
                "height": HEIGHT,
            }
            for each in drawn
        ],
        "resolve": {"scale": {"color": "independent", "shape": "independent"}},
        "padding": 16,
    }
    light = {**_config("light"), "background": "#ffffff"}
    return convert.vegalite_to_png(picture, vl_version=VERSION, config=light, scale=2)


def page_charts(drawn: Sequence[Chart]) -> str:
    """The charts as JSON text for the script of a page: specifications, and the colours of both themes."""
    document = {
        "charts": [{**each.specification, "description": each.alt} for each in drawn],
        "themes": {theme: _config(theme) for theme in THEMES},
        "height": HEIGHT,
    }
    # In a page this stands inside an element "script", which these two sequences could end or hide.
    return json.dumps(document, ensure_ascii=False).replace("<", "\\u003c")


@cache
def javascript() -> str:
    """The script of a page with charts: Vega, Vega-Lite, and `charts.js`, which draws them.

    Raises:
        MissingExtra: vl-convert is not installed.
    """
    convert = require("vl_convert", "bench")
    snippet = files("litho.benchmarks.load.page").joinpath("charts.js").read_text("utf-8")
    return convert.javascript_bundle(snippet, vl_version=VERSION)


def script_policy(script: str) -> str:
    """The source expression of a content security policy that allows this script and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}'"


def _renumbered(svg: str) -> str:
    """The drawing with its clip paths counted from 0, as vl-convert counts on: the same chart gives the same bytes."""
    numbers: dict[str, str] = {}
    return re.sub(
        r"\bclip(\d+)\b", lambda found: "clip" + numbers.setdefault(found[1], str(len(numbers))), svg
    )


def _config(theme: str) -> dict[str, Any]:
    ink, soft, line = THEMES[theme]
    return {
        "background": "transparent",
        "font": "system-ui, -apple-system, Segoe UI, Roboto, Liberation Sans, DejaVu Sans, sans-serif",
        "view": {"stroke": None},
        "title": {"color": ink, "subtitleColor": soft, "subtitleFontSize": 12},
        "text": {"color": soft, "fill": soft},
        "axis": {
            "labelColor": soft,
            "titleColor": soft,
            "titleFontWeight": "normal",
            "labelFontSize": 11,
            "titleFontSize": 11,
            "gridColor": line,
            "domainColor": line,
            "tickColor": line,
        },
        "legend": {
            "orient": "top",
            "labelColor": ink,
            "titleColor": soft,
            "labelFontSize": 11,
            "symbolSize": 70,
            "symbolOpacity": 1,
            "offset": 6,
        },
    }
