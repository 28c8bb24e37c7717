"""The page of an evaluation: figures beside reference and baseline, and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...reporting import format_count, number, png, render
from .document import Evaluation, Figure, Section
from .parts import Panel

__all__ = ["format_figure", "render_page"]

HEADLINES = 4


def render_page(name: str, evaluation: Evaluation, panels: Mapping[str, tuple[Panel, ...]]) -> str:
    """Render an evaluation as one HTML file; it has no date, so that the same evaluation gives the same page.

    Args:
        name: of the run.
        evaluation: to show.
        panels: name of a part -> its pictures.
    """
    figured = [section for section in evaluation.sections if section.figures]
    sections = [_section(section, panels.get(section.part, ())) for section in evaluation.sections]
    return render(
        "evaluation.html",
        name=name,
        status="failed" if evaluation.failures else "",
        sentence=_sentence(evaluation),
        headline_entries=[
            *(_headline(section.figures[0]) for section in figured[:HEADLINES]),
            ("trained on", format_count(evaluation.nimg), f"images of {evaluation.data}"),
            ("device", evaluation.device, ""),
        ],
        failures=[
            f"{section.title} could not be measured: {section.failure}." for section in evaluation.failures
        ],
        # Parts that only show pictures come first.
        sections=sorted(sections, key=lambda section: bool(section["rows"])),
        measured=_measured(evaluation).items(),
    )


def format_figure(value: float | None, unit: str) -> str:
    """Format a value of an evaluation; a share is a percentage."""
    if value is not None and unit == "share":
        return f"{value:.1%}"
    return number(value)


def _sentence(evaluation: Evaluation) -> str:
    parts = len(evaluation.sections)
    measured = f"{parts - len(evaluation.failures)} of {parts}" if evaluation.failures else f"All {parts}"
    samples = f"{format_count(evaluation.samples)} samples of {evaluation.preset or evaluation.family}"
    return f"{measured} parts of the evaluation were measured, with {samples} against {evaluation.data}."


def _headline(figure: Figure) -> tuple[str, str, str]:
    bounds = [
        f"{format_figure(value, figure.unit)} {of}"
        for value, of in ((figure.reference, figure.reference_of), (figure.baseline, figure.baseline_of))
        if value is not None
    ]
    return figure.metric, format_figure(figure.value, figure.unit), ", ".join(bounds)


def _section(section: Section, panels: tuple[Panel, ...]) -> dict[str, Any]:
    return {
        "title": section.title,
        "failure": section.failure,
        "rows": [_row(figure) for figure in section.figures],
        "panels": [(png(panel.picture), panel.caption) for panel in panels],
    }


def _row(figure: Figure) -> tuple[str, ...]:
    bounds = [
        "–" if value is None else f"{format_figure(value, figure.unit)} ({of})"
        for value, of in ((figure.reference, figure.reference_of), (figure.baseline, figure.baseline_of))
    ]
    return (
        figure.name.removesuffix(" (share)"),
        format_figure(figure.value, figure.unit),
        *bounds,
        figure.better,
        format_count(figure.n),
    )


def _measured(evaluation: Evaluation) -> dict[str, str]:
    net = evaluation.feature_net
    kind = {"classes": "classes", "channels": "classes of each channel", "turns": "quarter turns"}[net.task]
    facts = {
        "weights": evaluation.weights_sha256,
        "data": f"{evaluation.data}, {format_count(evaluation.train_count)} training images and"
        f" {format_count(evaluation.test_count)} test images",
        "feature net": f"{net.name}, tells {net.classes} {kind} apart, right on {net.accuracy:.2%} of"
        f" {format_count(net.test_count)} test pictures",
        "feature net's weights": net.weights_sha256,
        "set for all pictures": ", ".join(f"{name} {value:g}" for name, value in evaluation.fields.items()),
        "device": evaluation.device,
    }
    return {name: value for name, value in facts.items() if value}
