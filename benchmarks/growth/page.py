"""The page of growth, `growth.html`, and the picture of it, `growth.png`: what was measured, and the fitted powers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...reporting import number
from ..load.page.charts import Axis, Chart, Row, chart, dots, lines
from ..load.page.drawing import png
from ..load.page.study import Part, Study, machine_facts, render_study
from .power_law import MOST_MISFIT, Growth, PowerLaw
from .series import Against, GrowthResult, Series

__all__ = ["charts_of", "page", "picture", "powers"]

_POINTS = 25
"""Points of a fitted line, at equal distances of the logarithm."""

_PARTS: dict[Against, tuple[str, str, str]] = {
    "batch": (
        "Pictures in a batch",
        "pictures in a batch",
        "A power of 1: twice as many pictures take twice the time. Below 1, a picture of a larger batch is cheaper.",
    ),
    "pixels": (
        "Pixels of a picture",
        "pixels of a picture that comes in",
        "A power of 1: time follows the number of pixels, as that of convolutions does.",
    ),
    "steps": (
        "Steps of a sampler",
        "steps",
        "A power of 1: every step costs the same, and what comes before and after the steps costs little.",
    ),
    "clients": (
        "Clients of a server",
        "clients, each with one request in flight",
        "Throughput: 1 while clients do not disturb each other, 0 where the server is full; latency the other way"
        " round.",
    ),
    "models": (
        "Models in a server",
        "models in one server",
        "The same generator several times, with the same clients in all.",
    ),
}
"""What something grows with -> heading of its section, title of the axis, and how to read the powers."""


def powers(growth: Growth) -> str:
    """The fitted powers in a few words: "x^0.57, then x^0.19"; of a fit that misses, that it does.

    Args:
        growth: the fit.
    """
    if growth.form == "two power laws":
        return ", then ".join(f"x^{one.exponent:.2f}" for one in growth.pieces)
    about = "" if growth.form == "one power law" else "about "
    return f"{about}x^{growth.power.exponent:.2f}"


def charts_of(result: GrowthResult) -> list[Chart]:
    """Every chart, in the order of a page."""
    return [each for against in _PARTS for each in _charts(result, against)]


def _charts(result: GrowthResult, against: Against) -> list[Chart]:
    found = result.find(against)
    quantities = dict.fromkeys(one.quantity for one in found)
    return [
        _chart(against, quantity, [one for one in found if one.quantity == quantity])
        for quantity in quantities
    ]


def _chart(against: Against, quantity: str, found: Sequence[Series]) -> Chart:
    x, y = Axis(_PARTS[against][1], "log2"), Axis(quantity, "log")
    points: list[Row] = []
    fitted: list[Row] = []
    for one in found:
        name = f"{one.name}: {powers(one.growth)}"
        points += [{**_point(one, at), "series": name} for at in range(len(one.points))]
        # Two pieces are two lines of one colour: the order of a line's points would connect them.
        for piece, law in enumerate(_laws(one.growth)):
            fitted += [{**spot, "series": name, "piece": piece} for spot in _line(law)]
    drawn = lines(fitted, x, y)[:-1]
    for layer in drawn:
        layer["encoding"]["detail"] = {"field": "piece", "type": "nominal"}
    tips = {"who": "generator", "at": against, "shown": quantity, "fit": "by the fit", "grows": "grows as"}
    listed = "; ".join(f"{one.name} {powers(one.growth)}" for one in found)
    return chart(
        quantity.capitalize() if quantity.islower() else quantity,
        [*drawn, *dots(points, x, y, tips)],
        alt=f"{quantity} over {_PARTS[against][1]}, both logarithmic, with fitted lines: {listed}.",
        source=f"series[] against {against}: medians of points[].values, bars from the 10th to the 90th percentile;"
        " lines: least squares of the logarithms",
    )


def _laws(growth: Growth) -> tuple[PowerLaw, ...]:
    """What is drawn: two pieces where they are the fit, else the one power."""
    return growth.pieces if growth.form == "two power laws" else (growth.power,)


def _line(law: PowerLaw) -> Iterator[Row]:
    for x in np.geomspace(law.from_x, law.to_x, _POINTS).tolist():
        yield {"x": x, "y": law.at(x)}


def _point(one: Series, index: int) -> dict[str, str | float | None]:
    point = one.points[index]
    law = next((law for law in _laws(one.growth) if law.from_x <= point.x <= law.to_x), one.growth.power)
    low, high = np.percentile(point.values, [10, 90]).tolist() if len(point.values) > 1 else (None, None)
    return {
        "x": point.x,
        "y": point.median,
        "low": low,
        "high": high,
        "who": one.name,
        "at": f"{point.x:,}",
        "shown": number(point.median),
        "fit": number(law.at(point.x)),
        "grows": str(one.growth),
    }


def _table(found: Sequence[Series]) -> tuple[list[str], list[list[str]]]:
    """Medians of the series by what grows, a column each, and the fit; the quantity only where there are several."""
    several = len({one.quantity for one in found}) > 1
    xs = sorted({point.x for one in found for point in one.points})
    rows = []
    for one in found:
        medians = {point.x: number(point.median) for point in one.points}
        # Each fact of a fit stays on one line: on a phone a narrow column would break it at every word.
        fit = "; ".join(part.replace(" ", "\u00a0") for part in str(one.growth).split("; "))
        named = [one.name, *([one.quantity] if several else [])]
        rows.append([*named, *(medians.get(x, "\u2013") for x in xs), fit])
    heads = ["generator", *(["quantity"] if several else [])]
    return [*heads, *(f"{x:,}|right" for x in xs), "grows as"], rows


def _caption(found: Sequence[Series], against: Against) -> str:
    quantities = {one.quantity for one in found}
    return f"{quantities.pop().capitalize() if len(quantities) == 1 else 'Medians'}, by {against}"


def _remarks(found: Sequence[Series]) -> Iterator[str]:
    for one in found:
        if one.growth.form == "none" and one.growth.power.misfit > MOST_MISFIT:
            yield (
                f"{one.name}: {one.quantity} follows no power law: the fit misses a point by"
                f" {one.growth.power.misfit - 1:.0%}."
            )
        if one.left_out:
            yield f"{one.name}: {one.quantity} was not measured at {one.left_out}."


def page(result: GrowthResult) -> str:
    """Render growth as one HTML file, which loads nothing.

    Raises:
        MissingExtra: Jinja2 or vl-convert is not installed.
    """
    parts = []
    for against, (heading, _, note) in _PARTS.items():
        if found := result.find(against):
            columns, rows = _table(found)
            parts.append(
                Part(
                    heading,
                    note,
                    _charts(result, against),
                    [(columns, rows, _caption(found, against))],
                    list(_remarks(found)),
                )
            )
    return render_study(
        Study(
            kind="Growth",
            name=", ".join(dict.fromkeys(one.name for one in result.series)),
            sentence=_sentence(result),
            headline=_headline(result),
            identity=[
                ("machine", _machine(result)),
                ("threads", str(result.threads)),
                ("date", result.measured_at.replace("T", " ").partition("+")[0] + " UTC"),
            ],
            parts=parts,
            method=_method(result),
        )
    )


def _machine(result: GrowthResult) -> str:
    machine = result.machine
    return "; ".join((machine.said, *machine.gpus))


_SAID: dict[Against, str] = {
    "batch": "time of a batch",
    "pixels": "time by pixels",
    "steps": "time by steps",
    "clients": "images/s by clients",
    "models": "images/s by models",
}
"""What the first series against something measures, for the first screen."""


def _firsts(result: GrowthResult) -> list[tuple[Against, Series]]:
    """The first series against each thing, that of clients before all others: it is what a server's owner asks."""
    order = sorted(_PARTS, key=lambda against: against != "clients")
    return [(against, one) for against in order for one in result.find(against)[:1]]


def _sentence(result: GrowthResult) -> str:
    _, one = _firsts(result)[0]
    first, last = one.points[0], one.points[-1]
    return (
        f"{one.name}: {one.quantity} by {one.against} grow as {powers(one.growth)}, from {number(first.median)} at"
        f" {first.x:,} to {number(last.median)} at {last.x:,}."
    )


def _headline(result: GrowthResult) -> list[tuple[str, str, str]]:
    entries = []
    for against, one in _firsts(result):
        first, *others = _laws(one.growth)
        then = "".join(f", then x^{law.exponent:.2f} to {law.to_x:,.0f}" for law in others)
        missed = max(law.misfit for law in (first, *others)) - 1
        how = "misses by" if one.growth.form == "none" else "within"
        small = f"{one.name}, {against} {first.from_x:,.0f} to {first.to_x:,.0f}{then}; {how} {missed:.0%}"
        entries.append((_SAID[against], f"x^{first.exponent:.2f}", small))
    return entries


def _method(result: GrowthResult) -> list[tuple[str, str]]:
    forms = dict.fromkeys(f"{one.name}: {one.form}" for one in result.series)
    return [
        ("Fit", "y = factor × x^power, least squares of the logarithms of the medians"),
        ("Interval", "95 %, by resampling the measurements of each point"),
        ("Two powers", f"where one misses a point by more than {MOST_MISFIT - 1:.0%}"),
        ("Turns", "the points of a series take turns, so that a change of the machine's speed affects all"),
        ("Forms", "; ".join(forms)),
        ("Command", result.command),
        ("Document", f"growth.json, schema version {result.schema_version}"),
        *machine_facts(result.machine),
    ]


def picture(result: GrowthResult) -> bytes:
    """The content of a PNG file for a README.

    Raises:
        MissingExtra: vl-convert is not installed.
    """
    return png(charts_of(result), _sentence(result), f"{_machine(result)}; {result.measured_at[:10]}")
