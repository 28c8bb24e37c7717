"""Pages of studies: a sentence and a few figures first, then parts of charts and tables; `study.html` shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ....extras import require
from ....reporting import human_bytes, render
from ...shared.machine import Machine
from .charts import Chart
from .page import PageCharts

__all__ = ["Part", "Study", "machine_facts", "render_study"]


@dataclass(frozen=True)
class Part:
    """A section of a page.

    Args:
        heading: of the section.
        note: a sentence or two below it.
        charts: side by side.
        tables: columns, rows and caption of each.
        remarks: what a reader must not miss.
    """

    heading: str
    note: str = ""
    charts: Sequence[Chart] = ()
    tables: Sequence[tuple[Sequence[str], Sequence[Sequence[str]], str]] = ()
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Study:
    """A page.

    Args:
        kind, name: above the page, such as "Limits" and "digits".
        sentence: what was found.
        headline: name, value and small print of the figures that matter most, the first before all others.
        identity: names and values: what was measured, where and when.
        parts: sections.
        method: names and values.
    """

    kind: str
    name: str
    sentence: str
    headline: Sequence[tuple[str, str, str]]
    identity: Sequence[tuple[str, str]]
    parts: Sequence[Part]
    method: Sequence[tuple[str, str]]


def render_study(study: Study) -> str:
    """One HTML file, which loads nothing.

    Raises:
        MissingExtra: Jinja2 or vl-convert is not installed.
    """
    require("vl_convert", "bench")
    charts = PageCharts()
    parts: list[dict[str, Any]] = [
        {**vars(part), "charts": charts.add_all(part.charts)} for part in study.parts
    ]
    return render("study.html", study={**vars(study), "parts": parts, "script": charts.script()})


def machine_facts(machine: Machine) -> list[tuple[str, str]]:
    """Names and values of a machine, for the method of a page."""
    return [
        ("Processor", f"{machine.processor}, {machine.cores} logical cores to use"),
        ("Memory", human_bytes(machine.memory_bytes)),
        ("System", machine.system),
        ("Versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())),
    ]
