"""docs/quality.md: what the presets reach, against targets that it also states."""

from __future__ import annotations

from collections.abc import Iterable

from ...training.evaluation.document import FeatureNetInfo
from ...training.presets import CPU, PRESETS
from ..quality.documents import Entry, Quality, read_quality
from ..quality.targets import EXPECTED, FEATURE_NETS, REASONS, TARGETS, Outcome, QualityTarget
from .base import Results, paragraph, table

__all__ = ["write"]

_HEAD = ("preset", "budget", "images seen", "minutes", "figure", "reached", "target", "")


def write(results: Results) -> dict[str, str]:
    """The summary, the targets that need a GPU, the feature nets, and all figures."""
    quality = read_quality(results.path("quality"))
    return {
        "": table(_HEAD, [row for preset in PRESETS for row in _summary(preset, quality)]),
        "gpu": table(
            ("preset", "figure", "target", "reached"),
            [row for preset in PRESETS for row in _gpu(preset, quality)],
        ),
        "nets": table(
            ("feature net", "test accuracy", "target", "weights", "presets"), _nets(quality.entries)
        ),
        "presets": "\n\n".join(_section(entry) for entry in quality.entries),
    }


def _summary(preset: str, quality: Quality) -> list[tuple[str, ...]]:
    entries = [entry for entry in quality.entries if entry.preset == preset]
    rows = [row for entry in entries for row in _rows_of(entry)]
    if quality.entry(preset, "cpu") is None:
        rows.append((f"`{preset}`", "cpu", "", "", "", "not measured", "", ""))
    return rows


def _rows_of(entry: Entry) -> list[tuple[str, ...]]:
    start = (f"`{entry.preset}`", entry.budget, f"{entry.nimg:,}", f"{entry.minutes:.0f}")
    rows = [
        (
            *start,
            _words(outcome.target),
            _number(outcome.value),
            _limit(outcome.target, outcome.limit),
            "reached" if outcome.reached else "**short**",
        )
        for outcome in entry.outcomes
    ]
    return rows or [(*start, "no target: see below", "", "", "")]


def _gpu(preset: str, quality: Quality) -> list[tuple[str, ...]]:
    entry = quality.entry(preset, "gpu")
    reached = {outcome.target: outcome for outcome in entry.outcomes} if entry else {}
    return [
        (f"`{preset}`", _words(target), _limit(target, target.gpu), _on_gpu(reached.get(target)))
        for target in TARGETS.get(preset, ())
        if target.gpu is not None
    ]


def _on_gpu(outcome: Outcome | None) -> str:
    if outcome is None:
        return "not measured on a GPU"
    return f"{_number(outcome.value)}{'' if outcome.reached else ' (**short**)'}"


def _words(target: QualityTarget) -> str:
    return target.metric.removesuffix("-") + ("" if target.reading == "value" else f", {target.reading}")


def _limit(target: QualityTarget, limit: float) -> str:
    return f"{'≤' if target.better == 'lower' else '≥'} {_number(limit)}"


def _nets(entries: Iterable[Entry]) -> list[tuple[str, ...]]:
    """One row for each net's weights: nets of the same name are trained anew on another machine."""
    nets: dict[str, FeatureNetInfo] = {}
    presets: dict[str, list[str]] = {}
    for entry in entries:
        nets[entry.feature_net.weights_sha256] = entry.feature_net
        presets.setdefault(entry.feature_net.weights_sha256, []).append(f"`{entry.preset}`")
    return [
        (
            net.name,
            f"{net.accuracy:.2%}",
            f"≥ {FEATURE_NETS[net.name]:.1%}" if net.name in FEATURE_NETS else "",
            f"`{digits[:16]}`",
            ", ".join(presets[digits]),
        )
        for digits, net in sorted(nets.items(), key=lambda one: (one[1].name, one[0]))
    ]


def _section(entry: Entry) -> str:
    machine = entry.machine
    hardware = ", ".join(machine.gpus) or f"{machine.cores} cores of {machine.processor}"
    missing = [
        f"{name}: to be measured with `make quality PRESETS={entry.preset}`"
        for name in EXPECTED.get(entry.preset, ())
        if _value(entry, name) is None
    ]
    rows = [
        (
            figure.name,
            _number(figure.value),
            _beside(figure.reference, figure.reference_of),
            _beside(figure.baseline, figure.baseline_of),
        )
        for figure in entry.figures
    ]
    size = f", budget {entry.budget}" if entry.preset in CPU else ""
    parts = [
        f"## {entry.preset}{size}",
        f"{entry.nimg:,} images in {entry.minutes:.0f} minutes on {hardware}.",
        table(("figure", "value", "reference", "baseline"), rows),
        *([paragraph(REASONS[entry.preset])] if entry.preset in REASONS else []),
        *(f"Not measured: {failure}" for failure in (*entry.failures, *missing)),
        f"![Samples of {entry.preset}](quality/{entry.preset}.png)",
    ]
    return "\n\n".join(parts)


def _value(entry: Entry | None, metric: str) -> float | None:
    figures = entry.figures if entry else ()
    return next((figure.value for figure in figures if figure.metric.startswith(metric)), None)


def _beside(value: float | None, what: str) -> str:
    return "" if value is None else f"{_number(value)} ({what})"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"
