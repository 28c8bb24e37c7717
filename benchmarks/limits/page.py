"""The page of limits, `limits.html`, and the picture of it, `limits.png`: rooflines, shares, and fronts."""

from __future__ import annotations

from ...reporting import number
from ...reporting.markdown import markdown_table
from ..load.page.charts import Axis, Chart, Row, chart, dots
from ..load.page.drawing import png
from ..load.page.roofline_plot import ROOFLINE_AXES, roofs
from ..load.page.study import Part, Study, machine_facts, render_study
from .roofline import EQUAL_DB, Form, Limits, ModelLimits, timed_stages

__all__ = [
    "FRONT_NOTE",
    "ceiling_lines",
    "charts_of",
    "form_table",
    "front_chart",
    "page",
    "picture",
    "roofline_charts",
    "rows",
    "share_chart",
]

FRONT_NOTE = "* on the front: no other form is both faster and as near to PyTorch's pictures."
_USUAL_BATCH = 8


def ceiling_lines(limits: Limits) -> list[str]:
    """The ceilings in sentences."""
    peaks = [
        f"Peak of {peak.precision} in {peak.runtime}: {peak.per_second / 1e9:,.0f} G operations/s ({peak.source})."
        for peak in limits.ceilings.peaks
    ]
    moved = [
        f"{one.per_second / 1e9:,.0f} GB/s at {one.working_set / 2**20:g} MiB ({one.source})"
        for one in limits.ceilings.bandwidths
    ]
    return [*peaks, f"Bandwidth by working set: {', '.join(moved)}."]


def form_table(limits: Limits) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the table of all forms: speed and share at each batch; * marks the front."""
    heads = [f"{what} at {batch}" for batch in limits.batches for what in ("images/s", "share")]
    table = []
    for model in limits.models:
        for form in model.forms:
            cells = [model.name, form.name, f"{form.psnr_mean_db:.1f}", str(form.most_levels)]
            for one in form.whole:
                cells.append(f"{one.images_per_second:,.0f}{' *' if one.on_front else ''}")
                cells.append("–" if one.share is None else f"{one.share:.0%}")
            table.append(cells)
    return ["generator", "form", "PSNR mean (dB)", "levels", *heads], table


def rows(limits: Limits) -> list[str]:
    """Ceilings and forms in Markdown."""
    return [*ceiling_lines(limits), "", *markdown_table(*form_table(limits)), "", FRONT_NOTE]


def main_batch(limits: Limits) -> int:
    """The batch that charts show: 8, or the largest one."""
    return _USUAL_BATCH if _USUAL_BATCH in limits.batches else max(limits.batches)


def charts_of(limits: Limits) -> list[Chart]:
    """Every chart, in the order of a page."""
    return [*roofline_charts(limits), share_chart(limits), front_chart(limits)]


def roofline_charts(limits: Limits) -> list[Chart]:
    """A roofline for each runtime: roofs by precision, and every stage at every batch."""
    found = []
    for runtime in dict.fromkeys(peak.runtime for peak in limits.ceilings.peaks):
        points: list[Row] = [
            {
                "x": one.intensity,
                "y": one.per_second / 1e9,
                "series": form.precision,
                "what": f"{model.name} {stage.name}, batch {one.batch}",
                "share": f"{one.share:.0%} of what {one.bound} allows",
                "rate": f"{number(one.per_second / 1e9)} G/s",
            }
            for model, form, stage, one in timed_stages(limits.models)
            if form.runtime == runtime and one.share is not None
        ]
        if points:
            found.append(_roofline(limits, runtime, points))
    return found


def _roofline(limits: Limits, runtime: str, points: list[Row]) -> Chart:
    intensities = [float(row["x"] or 1) for row in points]
    low, high = min(intensities) / 2, max(intensities) * 2
    names = [peak.precision for peak in limits.ceilings.peaks if peak.runtime == runtime]
    names = [name for name in names if any(row["series"] == name for row in points)]
    memory, cache = limits.ceilings.memory, limits.ceilings.bandwidth(0)
    highest = max(limits.ceilings.peak(runtime, name).per_second for name in names)
    ordered = sorted(points, key=lambda row: names.index(str(row["series"])))
    tips = {"what": "stage", "series": "precision", "rate": "reached", "share": "share"}
    return chart(
        f"Roofline of {runtime}",
        [*roofs(limits.ceilings, runtime, names, (low, high)), *dots(ordered, *ROOFLINE_AXES, tips)],
        alt=f"Operations a second over operations for each byte of {len(points)} measured stages in {runtime}, below"
        f" the roofs of {', '.join(names)}; the highest is {number(highest / 1e9)} G operations/s.",
        source="models[].forms[].stages[].reached; full lines: peak of each precision and bandwidth of main memory"
        f" ({number(memory.per_second / 1e9)} GB/s); dashed: bandwidth of the caches"
        f" ({number(cache.per_second / 1e9)} GB/s)",
    )


def share_chart(limits: Limits) -> Chart:
    """Share of the roofline of each generator and form, at the usual batch."""
    batch = main_batch(limits)
    shown: list[Row] = [
        {
            "x": model.name,
            "y": 100 * (form.at(batch).share or 0),
            "series": form.name,
            "speed": f"{number(form.at(batch).images_per_second)} images/s",
        }
        for name in _form_names(limits)
        for model in limits.models
        for form in model.forms
        if form.name == name and form.at(batch).share is not None
    ]
    return chart(
        f"Share of the roofline at batch {batch}",
        dots(
            shown,
            Axis("", "category"),
            Axis("% of what the machine allows"),
            {"x": "generator", "series": "form", "y": "%", "speed": "speed"},
        ),
        alt=f"Share of the attainable speed that each of {len(limits.models)} generators reaches in each form.",
        source="models[].forms[].whole[].share: least time by the roofline over the median of the runs",
    )


def front_chart(limits: Limits) -> Chart:
    """Speed against nearness of every form of every generator."""
    batch = main_batch(limits)
    shown: list[Row] = []
    for name in _form_names(limits):
        for model in limits.models:
            plain = model.forms[0].at(batch).images_per_second
            shown += [
                {
                    "x": form.psnr_mean_db,
                    "y": form.at(batch).images_per_second / plain,
                    "series": name,
                    "what": model.name,
                    "speed": f"{number(form.at(batch).images_per_second)} images/s",
                    "error": f"{form.psnr_mean_db:.1f} dB, {form.most_levels} levels at most",
                    "front": "on the front" if form.at(batch).on_front else "beaten",
                }
                for form in model.forms
                if form.name == name
            ]
    return chart(
        f"Speed against error at batch {batch}",
        dots(
            shown,
            Axis("PSNR to PyTorch in FP32, dB", "near"),
            Axis(f"times as fast as {limits.models[0].forms[0].name}", "log"),
            {"what": "generator", "series": "form", "speed": "speed", "error": "error", "front": "front"},
        ),
        alt=f"Speed relative to the first form over PSNR, for {len(shown)} forms of {len(limits.models)} generators.",
        source="models[].forms[]: psnr_mean_db and whole[].images_per_second; pictures are equal from"
        f" {EQUAL_DB:g} dB",
    )


def _form_names(limits: Limits) -> list[str]:
    return list(dict.fromkeys(form.name for model in limits.models for form in model.forms))


def page(limits: Limits) -> str:
    """Render the limits as one HTML file, which loads nothing."""
    headings, table = form_table(limits)
    columns = [*headings[:2], *(f"{heading}|right" for heading in headings[2:])]
    ceilings = [
        [peak.runtime, peak.precision, number(peak.per_second / 1e9), peak.source]
        for peak in limits.ceilings.peaks
    ]
    moved = [
        [f"{one.working_set / 2**20:g} MiB", number(one.per_second / 1e9), one.source]
        for one in limits.ceilings.bandwidths
    ]
    parts = [
        Part(
            "Rooflines",
            "Operations and least bytes are counted from the graphs, peaks and bandwidth are measured.",
            roofline_charts(limits),
        ),
        Part(
            "Speed and error",
            charts=[share_chart(limits), front_chart(limits)],
            tables=[(columns, table, "All forms")],
            remarks=[FRONT_NOTE, *_left_out(limits)],
        ),
        Part(
            "Ceilings",
            tables=[
                (["runtime", "precision", "G operations/s|right", "reached by"], ceilings, "Peaks"),
                (["working set", "GB/s|right", "reached by"], moved, "Bandwidth"),
            ],
        ),
    ]
    return render_study(
        Study(
            kind="Limits",
            name=", ".join(model.name for model in limits.models),
            sentence=_sentence(limits),
            headline=_headline(limits),
            identity=[
                ("machine", limits.machine.said),
                ("threads", str(limits.ceilings.threads)),
                ("date", limits.measured_at.replace("T", " ").partition("+")[0] + " UTC"),
            ],
            parts=parts,
            method=_method(limits),
        )
    )


def _best(limits: Limits) -> tuple[ModelLimits, Form, int]:
    """Generator, form and batch with the largest share."""
    known = [
        (model, form, one.batch)
        for model in limits.models
        for form in model.forms
        for one in form.whole
        if one.share is not None
    ]
    return max(known, key=lambda found: found[1].at(found[2]).share or 0)


def _sentence(limits: Limits) -> str:
    model, form, batch = _best(limits)
    share = form.at(batch).share or 0
    return f"{model.name} reaches {share:.0%} of what this machine allows, with {form.name} at batch {batch}."


def _headline(limits: Limits) -> list[tuple[str, str, str]]:
    model, form, batch = _best(limits)
    highest = max(limits.ceilings.peaks, key=lambda peak: peak.per_second)
    memory = limits.ceilings.memory
    return [
        ("largest share of a roofline", f"{form.at(batch).share or 0:.0%}", f"{model.name}, {form.name}"),
        (
            "highest peak",
            f"{number(highest.per_second / 1e9)} G",
            f"operations/s of {highest.precision} in {highest.runtime}",
        ),
        ("main memory", f"{number(memory.per_second / 1e9)} GB/s", memory.source),
        ("generators", str(len(limits.models)), f"{sum(len(model.forms) for model in limits.models)} forms"),
    ]


def _left_out(limits: Limits) -> list[str]:
    return [
        f"{model.name}: {name} was left out: {reason}"
        for model in limits.models
        for name, reason in model.left_out.items()
    ]


def _method(limits: Limits) -> list[tuple[str, str]]:
    counted = [model.name for model in limits.models if model.operations_by_torch == model.operations]
    return [
        (
            "Model",
            "Williams, Waterman and Patterson 2009; bandwidth of the working set as in Ilic et al. 2014",
        ),
        ("Operations", "two for each multiply-add of convolutions and matrix products"),
        ("Equal to torch's counter", ", ".join(counted) or "not compared"),
        ("Bytes", "weights once for a batch, input and output of each layer once, in the precision stored"),
        ("Speed", "median of the runs; all forms of a generator take turns"),
        ("Command", limits.command),
        ("Document", f"limits.json, schema version {limits.schema_version}"),
        *machine_facts(limits.machine),
    ]


def picture(limits: Limits) -> bytes:
    """The content of a PNG file for a README."""
    machine = f"{limits.machine.said}; {limits.measured_at[:10]}"
    return png(charts_of(limits), _sentence(limits), machine)
