"""The report of a bundle: the recommended variant, pictures side by side, variants, graph passes, provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...bundle.manifest import GRADES, Figure, Gain, Grade, Manifest, Variant
from ...bundle.probes import Probes
from ...parity.gate import DISTANCE_RATIO, IDENTICAL_PIXELS, PSNR_MEAN, PSNR_MIN, SHARE, grade_of
from ...reporting import human_bytes, number, render
from ...runners.base import library_of
from ..passes import default_passes, pass_names, summary
from .choice import latency_ms, metric_value, overall_status, plain_variant, throughput
from .gains import BATCH
from .panels import compare_pictures
from .scatter import speed_chart
from .table import NOTHING, arithmetic, decide

__all__ = ["format_figure", "headline", "render_report", "summarise"]

_PROMISES: dict[Grade, str] = {
    "same picture": "each image within the limits",
    "same distribution": "a single image may differ",
}


def render_report(
    manifest: Manifest,
    probes: Probes,
    pictures: Mapping[str, NDArray[np.uint8]],
    absent: Mapping[str, str] | None = None,
) -> str:
    """Render the report as one HTML file.

    The date on it is that of the timings, as the manifest records it: reports without timings have none, so that
    two exports of the same weights give the same bytes.

    Args:
        manifest: of the bundle; its files need not include the report.
        probes: with PyTorch's pictures.
        pictures: name of a variant -> its pictures of the probes, of the variants that ran.
        absent: of a report refreshed on another machine: name of a variant -> why it has no pictures there.
    """
    variants = manifest.variants
    labels = _short_names(variants)
    stages = list(dict.fromkeys(variant.stage for variant in variants))
    charts = [
        (
            f"{stage}: speed and mean PSNR of its variants",
            speed_chart([one for one in variants if one.stage == stage], manifest.recommended, labels),
        )
        for stage in stages
    ]
    shown = {labels[one.name]: pictures[one.name] for one in variants if one.name in pictures}
    chosen = [labels[name] for name in manifest.recommended if name in pictures]
    parted = {labels[one.name]: one.verdict.parted for one in variants if one.verdict.status == "passed"}
    return render(
        "export.html",
        name=manifest.name,
        status=overall_status(manifest),
        summary=summarise(variants),
        decision=decide(manifest.name, manifest),
        recommended=manifest.recommended,
        headline_entries=list(headline(manifest)),
        charts=[(caption, chart) for caption, chart in charts if chart is not None],
        compared=compare_pictures(probes, shown, chosen, parted) if shown else None,
        absent=absent,
        figures=list(_figure_rows(variants)),
        fp32_layers=[
            (
                one.name,
                NOTHING if one.lowered_share is None else arithmetic(one.lowered_share),
                f"{len(one.fp32_layers)} of {one.layers}",
                ", ".join(one.fp32_layers),
            )
            for one in variants
            if one.fp32_layers
        ],
        passes=list(_pass_rows(variants, manifest.gains, several=len(stages) > 1)),
        idle=", ".join(name for name in default_passes() if not any(name in one.passes for one in variants)),
        batch=BATCH,
        engines=list(_engine_rows(variants)),
        provenance={
            "family": manifest.family,
            "preset": manifest.preset or NOTHING,
            "checkpoint": manifest.checkpoint_sha256,
            **manifest.environment,
        }.items(),
    )


def summarise(variants: Sequence[Variant]) -> str:
    """Count the variants of each verdict, in a sentence."""
    counts = {
        word: sum(variant.verdict.status == status for variant in variants)
        for status, word in (
            ("passed", "passed"),
            ("failed", "failed"),
            ("not_run", "not run on this machine"),
            ("not_offered", "not offered"),
        )
    }
    listed = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"{len(variants)} variant{'s' if len(variants) != 1 else ''}: {listed}."


def format_figure(figure: Figure) -> str:
    """Format the value of a figure of a verdict."""
    if figure.value is not None and figure.metric == IDENTICAL_PIXELS:
        return f"{figure.value:.4%}"
    if figure.value is not None and figure.metric.startswith(SHARE):
        return f"{figure.value:.1%}"
    if figure.value is not None and figure.lower is not None and figure.upper is not None:
        return f"{figure.value:.3f} ({figure.lower:.3f} to {figure.upper:.3f})"
    return number(figure.value)


def headline(manifest: Manifest) -> Iterator[tuple[str, str, str]]:
    """Name, value and small print: the recommended variants, and where and when they were timed."""
    chosen = [variant for variant in manifest.variants if variant.name in manifest.recommended]
    for variant in chosen:
        stage = "precision" if len(manifest.stages) == 1 else variant.stage
        yield stage, variant.precision.upper(), " for ".join(filter(None, (variant.runtime, variant.target)))
        yield from _gain(variant, manifest)
    if chosen:
        grade = GRADES[max(GRADES.index(grade_of(variant, manifest)) for variant in chosen)]
        yield "promise", grade, _PROMISES[grade]
    if len(chosen) == 1:
        (best,) = chosen
        worst = f"worst image: {number(metric_value(best, PSNR_MIN))} dB"
        yield "throughput", number(throughput(best)), "images/s at the best batch size"
        yield "latency", f"{number(latency_ms(best))} ms", "median for one image"
        yield "mean PSNR", f"{number(metric_value(best, PSNR_MEAN))} dB", worst
        yield "size", human_bytes(best.size_bytes(manifest.files)), ""
    machine = manifest.environment.get("timed_on", manifest.environment.get("machine", ""))
    if "timed_at" in manifest.environment:
        yield "timed", manifest.environment["timed_at"], machine
    elif machine:
        yield "machine", machine, ""


def _gain(best: Variant, manifest: Manifest) -> Iterator[tuple[str, str, str]]:
    """The recommended variant's throughput over that of FP32 in ONNX Runtime."""
    plain = plain_variant(best.stage, manifest.variants)
    own, other = throughput(best), None if plain is None else throughput(plain)
    if own and other:
        small = f"{number(other)} images/s in FP32" if best != plain else "FP32 itself is recommended"
        yield "gain over FP32", f"{own / other:.2f} ×", small


def _short_names(variants: Sequence[Variant]) -> dict[str, str]:
    """Name of a variant -> the name without the parts that all variants share."""
    alone = len({variant.stage for variant in variants}) == 1
    return {
        variant.name: variant.name.removesuffix(".onnx").removeprefix(f"{variant.stage}." if alone else "")
        for variant in variants
    }


def _engine_rows(variants: Sequence[Variant]) -> Iterator[tuple[str, str, str, str, str]]:
    """Name, library, GPU, batches and layers of every engine."""
    for variant in variants:
        if (engine := variant.engine) is not None:
            yield (
                variant.name,
                f"{library_of(engine.library).title} {engine.version}",
                f"{engine.target} ({engine.gpu})" if engine.gpu else engine.target,
                "; ".join(f"{least} to {most}" for least, _, most in engine.profiles),
                ", ".join(f"{count} {precision}" for precision, count in engine.layers.items()),
            )


def _figure_rows(variants: Sequence[Variant]) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Variant, bank of probes, metric, value, limit and verdict of every figure that has a limit.

    Of a bank without limits the PSNR, which is measured all the same.
    """
    for variant in variants:
        limited = {figure.bank for figure in variant.verdict.figures if figure.limited}
        for figure in variant.verdict.figures:
            if figure.bank not in limited and figure.metric in (PSNR_MIN, PSNR_MEAN):
                yield variant.name, figure.bank, figure.metric, format_figure(figure), "none", "measured"
            limit = figure.at_least if figure.at_most is None else figure.at_most
            if limit is not None:
                side = "at least" if figure.at_most is None else "at most"
                is_share = figure.metric == IDENTICAL_PIXELS or figure.metric.startswith(SHARE)
                allowed = f"{side} {f'{limit:.1%}' if is_share else f'{limit:g}'}"
                passed = "passed" if figure.passed else "failed"
                of_set = figure.metric.startswith(DISTANCE_RATIO)
                bank = NOTHING if of_set else figure.bank or "usual"
                yield variant.name, bank, figure.metric, format_figure(figure), allowed, passed


def _pass_rows(
    variants: Sequence[Variant], gains: Sequence[Gain], *, several: bool
) -> Iterator[tuple[str, str, str, str, str]]:
    """Name, summary, number of changes, precisions or runtimes, and gain of every pass that changed a graph."""
    measured = {(gain.stage, gain.name): gain for gain in gains}
    for stage in dict.fromkeys(variant.stage for variant in variants):
        of_stage = [variant for variant in variants if variant.stage == stage]
        for name in pass_names():
            changed = [variant for variant in of_stage if name in variant.passes]
            if not changed:
                continue
            counts = sorted({variant.passes[name] for variant in changed})
            gain = measured.get((stage, name))
            yield (
                f"{stage}: {name}" if several else name,
                summary(name),
                " or ".join(map(str, counts)),
                "all" if len(changed) == len(of_stage) else _common(changed, of_stage),
                NOTHING if gain is None else f"{gain.ratio:.2f} times ({gain.lower:.2f} to {gain.upper:.2f})",
            )


def _common(changed: Sequence[Variant], all_: Sequence[Variant]) -> str:
    """The precisions, or else the runtimes, that all changed variants and no others have."""
    for read in (lambda variant: variant.precision, lambda variant: variant.runtime):
        mine = dict.fromkeys(read(variant) for variant in changed)
        if not any(read(variant) in mine for variant in all_ if variant not in changed):
            return ", ".join(mine)
    return ", ".join(variant.name for variant in changed)
