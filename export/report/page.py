"""The page of a bundle: which variant to take and why, pictures side by side, rewrites, provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...bundle.manifest import Figure, Gain, Manifest, Variant
from ...bundle.probes import Probes
from ...parity.gate import IDENTICAL_PIXELS, PSNR_MEAN
from ...reporting import human_bytes, number, render
from ...runners.base import library_of
from ..passes import default_passes, pass_names, summary
from .choice import latency_ms, metric_value, throughput
from .gains import BATCH
from .panels import compare_pictures
from .scatter import speed_chart
from .table import NOTHING, decide

__all__ = ["format_figure", "render_report", "summarise"]


def render_report(
    manifest: Manifest,
    probes: Probes,
    pictures: Mapping[str, NDArray[np.uint8]],
    absent: Mapping[str, str] | None = None,
) -> str:
    """The report as one HTML file.

    Args:
        manifest: of the bundle; only the report itself need not be among its files.
        probes: with PyTorch's pictures.
        pictures: name of a variant -> its pictures of the probes, of those that ran.
        absent: of a page that is made anew on another machine: name of a variant -> why it makes no pictures there.
    """
    variants = manifest.variants
    named = _short_names(variants)
    stages = list(dict.fromkeys(variant.stage for variant in variants))
    charts = [
        (stage, speed_chart([one for one in variants if one.stage == stage], manifest.recommended, named))
        for stage in stages
    ]
    shown = {named(variant): pictures[variant.name] for variant in variants if variant.name in pictures}
    return render(
        "export.html",
        name=manifest.name,
        summary=summarise(variants),
        decision=decide(manifest.name, manifest),
        headline_entries=list(_headline(manifest, named)),
        charts=[(stage if len(stages) > 1 else "", chart) for stage, chart in charts if chart is not None],
        compared=compare_pictures(probes, shown) if shown else None,
        absent=absent,
        figures=list(_figure_rows(variants)),
        kept=[
            (variant.name, f"{len(variant.fp32_layers)} of {variant.layers}", ", ".join(variant.fp32_layers))
            for variant in variants
            if variant.fp32_layers
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
    """How many variants passed, failed and were not run, in a sentence."""
    counts = {
        word: sum(variant.verdict.status == status for variant in variants)
        for status, word in (
            ("passed", "passed"),
            ("failed", "failed"),
            ("not_run", "not run on this machine"),
        )
    }
    listed = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"{len(variants)} variant{'s' if len(variants) != 1 else ''}: {listed}."


def format_figure(figure: Figure) -> str:
    """A figure's value for a table."""
    if figure.value is not None and figure.metric == IDENTICAL_PIXELS:
        return f"{figure.value:.4%}"
    return number(figure.value)


def _short_names(variants: Sequence[Variant]) -> Callable[[Variant], str]:
    """A variant -> its name without what is the same for all."""
    alone = len({variant.stage for variant in variants}) == 1

    def named(variant: Variant) -> str:
        name = variant.name.removesuffix(".onnx")
        return name.removeprefix(f"{variant.stage}.") if alone else name

    return named


def _headline(manifest: Manifest, named: Callable[[Variant], str]) -> Iterator[tuple[str, str, str]]:
    """The recommended variant in a few figures; of several stages their names."""
    chosen = [variant for variant in manifest.variants if variant.name in manifest.recommended]
    for variant in chosen:
        yield f"best {manifest.aim}", named(variant), ""
    if len(chosen) != 1:
        return
    (best,) = chosen
    yield "images/s", number(throughput(best)), "at the best batch"
    yield "one picture", f"{number(latency_ms(best))} ms", "median"
    yield "mean PSNR", f"{number(metric_value(best, PSNR_MEAN))} dB", "from PyTorch's pictures"
    yield "size", human_bytes(manifest.files[best.file].size_bytes), ""


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


def _figure_rows(variants: Sequence[Variant]) -> Iterator[tuple[str, str, str, str, str]]:
    """Variant, metric, value, limit and verdict of every figure that has a limit."""
    for variant in variants:
        for figure in variant.verdict.figures:
            limit = figure.at_least if figure.at_most is None else figure.at_most
            if limit is not None:
                side = "at least" if figure.at_most is None else "at most"
                allowed = f"{limit:.1%}" if figure.metric == IDENTICAL_PIXELS else f"{limit:g}"
                passed = "passed" if figure.passed else "failed"
                yield variant.name, figure.metric, format_figure(figure), f"{side} {allowed}", passed


def _pass_rows(
    variants: Sequence[Variant], gains: Sequence[Gain], *, several: bool
) -> Iterator[tuple[str, str, str, str, str]]:
    """Name, deed, how often, in which precisions or runtimes, and gain of every pass that changed a stage's graph."""
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
                "all" if len(changed) == len(of_stage) else _where(changed, of_stage),
                NOTHING if gain is None else f"{gain.ratio:.2f} times ({gain.lower:.2f} to {gain.upper:.2f})",
            )


def _where(changed: Sequence[Variant], all_: Sequence[Variant]) -> str:
    """What the changed variants have in common that the others have not: precisions, else runtimes."""
    for read in (lambda variant: variant.precision, lambda variant: variant.runtime):
        mine = dict.fromkeys(read(variant) for variant in changed)
        if not any(read(variant) in mine for variant in all_ if variant not in changed):
            return ", ".join(mine)
    return ", ".join(variant.name for variant in changed)
