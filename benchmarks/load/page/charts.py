"""Charts as Vega-Lite specifications: one specification gives the picture and the interactive chart of a page.

A chart is made of layers: `lines`, `bars`, `dots`, `rule` and `band` return some, and `chart` puts them together;
`drawing` makes pictures and pages of it.

Specifications: https://vega.github.io/vega-lite/docs/ (version 6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ....reporting import BLUE, GREEN, GREY, ORANGE

__all__ = [
    "COLOURS",
    "Axis",
    "Chart",
    "Row",
    "band",
    "bars",
    "chart",
    "dots",
    "lines",
    "rule",
]

PURPLE, RED = "#9a74c9", "#d1495b"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, GREY)
"""Colours of the series of a chart, in their order."""

SHAPES = ("circle", "triangle-up", "square", "diamond", "cross", "triangle-down", "triangle-right")
"""Shapes of the series' points, for readers who cannot tell the colours apart."""

Row = Mapping[str, str | float | None]
"""One datum. Keys: `x`, `y`, and where they apply `series`, `low` and `high` (an interval of y), `label`."""

Layer = dict[str, Any]


_LETTERS = 40
"""Letters of all words of an axis, from which on the words are slanted."""

_LETTERS_OF_LEGEND, _LETTERS_OF_SYMBOL = 54, 3
"""Widths of a legend on a phone, and of a symbol with the space around it, in letters of 6 pixels."""


@dataclass(frozen=True)
class Axis:
    """An axis of a chart.

    Args:
        title: what it shows, with the unit.
        scale: "linear" from zero, "near" linear without zero, "log" to base 10, "log2", or "category" for words in
            the order of their appearance.
    """

    title: str
    scale: Literal["linear", "near", "log", "log2", "category"] = "linear"

    def channel(self, field: str, words: Sequence[Any] = ()) -> dict[str, Any]:
        """The encoding channel of a field: https://vega.github.io/vega-lite/docs/encoding.html."""
        if self.scale == "category":
            slanted = sum(len(str(word)) for word in words) > _LETTERS
            return {
                "field": field,
                "type": "ordinal",
                "title": self.title,
                "sort": list(words) or None,
                "axis": {"labelAngle": -35 if slanted else 0, "labelOverlap": not slanted, "grid": False},
            }
        scale: dict[str, Any] = {"zero": self.scale == "linear", "nice": self.scale != "log2"}
        if self.scale == "near":
            scale["padding"] = 12
        if self.scale.startswith("log"):
            # A logarithmic axis has no zero, and Vega warns of one that is asked for.
            scale = {"nice": scale["nice"], "type": "log", "base": 2 if self.scale == "log2" else 10}
        axis: dict[str, Any] = {"labelFlush": True, "tickCount": 5}
        if self.scale == "log":
            # A line for each power of ten, and not for every digit.
            power = "log(datum.value) / LN10"
            test = f"abs({power} - round({power})) < 1e-6"
            axis["gridOpacity"] = {"condition": {"test": test, "value": 1}, "value": 0}
        return {"field": field, "type": "quantitative", "title": self.title, "scale": scale, "axis": axis}


@dataclass(frozen=True)
class Chart:
    """A chart, what it says, and where its figures come from.

    Args:
        title: short, above the chart.
        specification: of Vega-Lite, without size and colours of a page.
        alt: what the chart shows, in words.
        source: which figures of which document, and how they were obtained.
    """

    title: str
    specification: Mapping[str, Any]
    alt: str
    source: str


def chart(title: str, layers: Sequence[Layer], *, alt: str, source: str) -> Chart:
    """Put layers together as one chart, the first lowest; they share both axes.

    Args:
        title, alt, source: see `Chart`.
        layers: of `lines`, `bars`, `dots`, `rule` and `band`.
    """
    return Chart(title, {"layer": list(layers)}, alt, source)


def lines(rows: Sequence[Row], x: Axis, y: Axis, tips: Mapping[str, str] | None = None) -> list[Layer]:
    """Points connected by a line for each series, with the interval of each point where it has one.

    Args:
        rows: in the order of drawing; see `Row`.
        x, y: axes.
        tips: key of a row -> heading, shown when the pointer is over a point; by default series, x and y.

    Returns:
        The layers; both axes can be moved and magnified if neither has categories.
    """
    position = _position(rows, x, y)
    colour = _series(rows)
    layers = _intervals(rows, position, colour)
    layers.append(
        {
            "data": {"values": [{**row, "order": index} for index, row in enumerate(rows)]},
            "mark": {"type": "line", "strokeWidth": 2, "aria": False},
            "encoding": {
                **position,
                "color": colour["color"],
                "order": {"field": "order", "type": "quantitative"},
            },
        }
    )
    return [*layers, _points(rows, (x, y), tips, {**position, **colour})]


def dots(rows: Sequence[Row], x: Axis, y: Axis, tips: Mapping[str, str] | None = None) -> list[Layer]:
    """A point for each row, by series, with its interval and its label where it has them.

    Args:
        rows, x, y, tips: see `lines`.
    """
    position = _position(rows, x, y)
    colour = _series(rows)
    layers = [*_intervals(rows, position, colour), _points(rows, (x, y), tips, {**position, **colour})]
    labelled = [row for row in rows if row.get("label")]
    if labelled:
        layers.append(
            {
                "data": {"values": labelled},
                "mark": {"type": "text", "align": "left", "dx": 8, "fontSize": 10, "clip": False},
                "encoding": {**position, "text": {"field": "label", "type": "nominal"}},
            }
        )
    return layers


def bars(rows: Sequence[Row], x: Axis, y: Axis, tips: Mapping[str, str] | None = None) -> list[Layer]:
    """Bars over categories, the series on top of each other in their order.

    Args:
        rows, x, y, tips: see `lines`; `x` has categories.
    """
    order = {name: index for index, name in enumerate(_names(rows, "series"))}
    data = [{**row, "order": order.get(row.get("series"), 0)} for row in rows]
    encoding = {
        **_position(rows, x, y),
        **_series(rows, shapes=False),
        "order": {"field": "order", "type": "quantitative"},
        "tooltip": _tooltip(tips, x, y),
    }
    return [{"data": {"values": data}, "mark": {"type": "bar", "width": {"band": 0.6}}, "encoding": encoding}]


def rule(value: float, label: str) -> list[Layer]:
    """A dashed horizontal line with a name above its left end, as a curve of throughput begins below it.

    Args:
        value: where it stands on the y axis.
        label: what it means.
    """
    data = {"values": [{"y": value, "label": label}]}
    position = {"y": {"field": "y", "type": "quantitative"}}
    return [
        {"data": data, "mark": {"type": "rule", "strokeDash": [5, 4], "color": GREY}, "encoding": position},
        {
            "data": data,
            "mark": {
                "type": "text",
                "align": "left",
                "baseline": "bottom",
                "dx": 3,
                "dy": -3,
                "fontSize": 10,
            },
            "encoding": {**position, "x": {"value": 0}, "text": {"field": "label", "type": "nominal"}},
        },
    ]


def band(low: float, high: float) -> list[Layer]:
    """A grey band from `low` to `high` on the y axis, over the whole width."""
    return [
        {
            "data": {"values": [{"low": low, "high": high}]},
            "mark": {"type": "rect", "color": GREY, "opacity": 0.15},
            "encoding": {
                "y": {"field": "low", "type": "quantitative"},
                "y2": {"field": "high"},
            },
        }
    ]


def _names(rows: Sequence[Row], key: str) -> list[Any]:
    """The different values of a key, in the order of their appearance."""
    return list(dict.fromkeys(row[key] for row in rows if row.get(key) is not None))


def _position(rows: Sequence[Row], x: Axis, y: Axis) -> dict[str, Any]:
    return {"x": x.channel("x", _names(rows, "x")), "y": y.channel("y", _names(rows, "y"))}


def _series(rows: Sequence[Row], *, shapes: bool = True) -> dict[str, Any]:
    """Colour and shape of the series; nothing if there is only one without a name."""
    names = _names(rows, "series")
    if not names:
        return {"color": {"value": BLUE}}
    repeats = -(-len(names) // len(COLOURS))

    def channel(values: tuple[str, ...]) -> dict[str, Any]:
        scale = {"domain": names, "range": (values * repeats)[: len(names)]}
        # A row of names must not be wider than a phone, and a name must not be cut.
        fitting = max(1, _LETTERS_OF_LEGEND // (max(len(str(name)) for name in names) + _LETTERS_OF_SYMBOL))
        legend = {"columns": min(3, fitting) if len(names) > min(3, fitting) else 0, "labelLimit": 0}
        return {
            "field": "series",
            "type": "nominal",
            "title": None,
            "scale": scale,
            "sort": None,
            "legend": legend,
        }

    colour = {"color": channel(COLOURS)}
    return colour | {"shape": channel(SHAPES)} if shapes else colour


def _intervals(rows: Sequence[Row], position: Mapping[str, Any], colour: Mapping[str, Any]) -> list[Layer]:
    known = [row for row in rows if row.get("low") is not None and row.get("high") is not None]
    if not known:
        return []
    ends = {"y": {**position["y"], "field": "low"}, "y2": {"field": "high"}}
    mark = {"type": "rule", "strokeWidth": 5, "opacity": 0.35, "strokeCap": "round", "aria": False}
    encoding = {"x": position["x"], **ends, "color": colour["color"]}
    return [{"data": {"values": known}, "mark": mark, "encoding": encoding}]


def _points(
    rows: Sequence[Row], axes: tuple[Axis, Axis], tips: Mapping[str, str] | None, encoding: Mapping[str, Any]
) -> Layer:
    params: list[dict[str, Any]] = [
        {
            "name": "near",
            "select": {"type": "point", "on": "pointerover", "nearest": True, "clear": "pointerout"},
        }
    ]
    if all(axis.scale != "category" for axis in axes):
        # Without a key the wheel scrolls the page; a chart that catches it would hold the reader fast.
        wheel = "wheel![event.ctrlKey || event.metaKey || event.altKey]"
        params.append({"name": "zoom", "select": {"type": "interval", "zoom": wheel}, "bind": "scales"})
    size = {"condition": {"param": "near", "empty": False, "value": 150}, "value": 48}
    return {
        "data": {"values": list(rows)},
        "params": params,
        "mark": {"type": "point", "filled": True, "opacity": 1},
        "encoding": {**encoding, "size": size, "tooltip": _tooltip(tips, *axes)},
    }


def _tooltip(tips: Mapping[str, str] | None, x: Axis, y: Axis) -> list[dict[str, str]]:
    shown = tips or {"series": "", "x": x.title, "y": y.title}
    return [{"field": key, "title": heading or key} for key, heading in shown.items()]
