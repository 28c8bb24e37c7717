"""The table of variants and the sentences beside it, as terminal, report and demo show them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from shlex import quote

from ...bundle.manifest import GRADES, FileRecord, Manifest, Variant
from ...parity.gate import DISTANCE_RATIO, PSNR_MEAN, PSNR_MIN, SHARE, SSIM, grade_of
from ...reporting import human_bytes, number
from .choice import latency_ms, metric_value, pareto_front, plain_variant, recommend, throughput

__all__ = ["NOTHING", "Decision", "arithmetic", "decide"]

NOTHING = "–"
"""Cell of what was not measured."""

_COLUMNS = (
    *("variant", "verdict", "promises", "size|right", "PSNR min|right", "mean, dB|right", "SSIM|right"),
    *("FD ratio|right", "p50 ms|right", "images/s|right", "mark"),
)


@dataclass(frozen=True)
class Decision:
    """What a person needs to choose a variant.

    Args:
        columns: headings, those of figures ending in "|right"; empty columns are left out.
        rows: the cells, a row for each variant.
        notes: a line for each variant that failed, was not run, is optimised less, or has arithmetic in FP32.
        choice: the recommended variants, why, and what they promise, in a sentence or two.
        command: deploys them; empty where none is recommended.
    """

    columns: list[str]
    rows: list[list[str]]
    notes: list[str]
    choice: str
    command: str


def decide(bundle: str, manifest: Manifest) -> Decision:
    """Compare the variants of a bundle.

    Args:
        bundle: path or name of the bundle, for the command.
        manifest: of the bundle.
    """
    manifest = _graded(manifest)
    variants, recommended = manifest.variants, manifest.recommended
    front = pareto_front(variants)
    rows = [
        _row(variant, manifest.files, "recommended" if variant.name in recommended else mark)
        for variant in variants
        for mark in ["front" if variant.name in front else ""]
    ]
    filled = [
        column for column in range(len(_COLUMNS)) if any(row[column] not in ("", NOTHING) for row in rows)
    ]
    return Decision(
        [_COLUMNS[column] for column in filled],
        [[row[column] for column in filled] for row in rows],
        [note for variant in variants for note in _notes(variant)],
        _choice(manifest),
        _command(bundle, manifest) if recommended else "",
    )


def _graded(manifest: Manifest) -> Manifest:
    """The manifest with the grades that count here."""
    graded = (one.model_copy(update={"grade": grade_of(one, manifest)}) for one in manifest.variants)
    return manifest.model_copy(update={"variants": tuple(graded)})


def _command(bundle: str, manifest: Manifest) -> str:
    chosen = [variant for variant in manifest.variants if variant.name in manifest.recommended]
    weakest = GRADES[max(GRADES.index(variant.grade) for variant in chosen)]
    asked = "" if weakest == GRADES[0] else f" --grade {weakest.replace(' ', '-')}"
    return f"litho deploy {quote(bundle)} --variant {','.join(manifest.recommended)}{asked}"


def _row(variant: Variant, files: Mapping[str, FileRecord], mark: str) -> list[str]:
    def figure(metric: str, decimals: int) -> str:
        value = metric_value(variant, metric)
        return NOTHING if value is None else f"{value:.{decimals}f}"

    return [
        variant.name,
        variant.verdict.status.replace("_", " "),
        variant.grade,
        human_bytes(variant.size_bytes(files)),
        figure(PSNR_MIN, 1),
        figure(PSNR_MEAN, 1),
        figure(SSIM, 4),
        figure(DISTANCE_RATIO, 3),
        number(latency_ms(variant)),
        number(throughput(variant)),
        mark,
    ]


def _notes(variant: Variant) -> Iterator[str]:
    if variant.verdict.status == "failed":
        yield f"{variant.name} failed: {variant.verdict.reason}."
    if variant.verdict.status == "not_run":
        yield f"{variant.name} was not run: {variant.verdict.reason}."
    if variant.verdict.status == "not_offered":
        yield f"{variant.name} is not offered: {variant.verdict.reason}."
    if variant.verdict.status == "passed" and variant.verdict.parted:
        inside = next(one for one in variant.verdict.figures if one.metric.startswith(SHARE))
        assert inside.value is not None, "a figure of a verdict that passed"
        numbers = variant.verdict.parted
        yield (
            f"{variant.name}: {inside.value:.1%} {inside.metric.replace('pictures', 'of the pictures are')};"
            f" {'probe' if len(numbers) == 1 else 'probes'} {', '.join(map(str, numbers))}"
            f" part{'s' if len(numbers) == 1 else ''} from PyTorch's."
        )
    if (level := variant.options.get("optimization")) is not None:
        how = "without optimisation" if level == "disabled" else f"with optimisation up to level {level}"
        yield f"{variant.name} runs {how} in every runner: with more of it, its runtime crashed or failed."
    if lowered := _lowered(variant):
        yield f"{variant.name} has {lowered}."


def _lowered(variant: Variant) -> str:
    """How much of a variant is in its precision; empty if all is, or if that is unknown."""
    share, layers = variant.lowered_share, variant.fp32_layers
    causes = f"; {layers[0]} causes the largest error" if layers else ""
    if share is not None:
        part = f"{arithmetic(share)} in {variant.precision.upper()}"
        return f"{part}{causes and causes + ' of those in FP32'}" if layers or share < 1 else ""
    of = f" of {variant.layers}" if variant.layers else ""
    return f"{len(layers)}{of} layers in FP32{causes}" if layers else ""


def arithmetic(share: float) -> str:
    """A share of the arithmetic, rounded down: what is not all of it does not read as all of it."""
    return f"{math.floor(100 * share + 1e-6)} % of the arithmetic"


def _choice(manifest: Manifest) -> str:
    if not manifest.recommended:
        passed = any(variant.verdict.status == "passed" for variant in manifest.variants)
        why = "no variant that passed was timed" if passed else "none passed here"
        return f"No variant is recommended: {why}."
    by_name = {variant.name: variant for variant in manifest.variants}
    reasons = [
        f"{name} ({_reason(by_name[name], manifest)}; {by_name[name].grade})" for name in manifest.recommended
    ]
    sentence = f"Recommended for {manifest.aim}: {'; '.join(reasons)}."
    strict = recommend(manifest.variants, manifest.files, manifest.aim, GRADES[0])
    if strict == manifest.recommended:
        return sentence
    if len(strict) < len(manifest.recommended):
        return f"{sentence} Nothing promises the {GRADES[0]}."
    best = "; ".join(f"{name} ({_reason(by_name[name], manifest)})" for name in strict)
    return f"{sentence} Best that promises the {GRADES[0]}: {best}."


def _reason(best: Variant, manifest: Manifest) -> str:
    """Why a variant is the best for the aim, compared with FP32 in ONNX Runtime."""

    def figure(variant: Variant) -> float | None:
        match manifest.aim:
            case "latency":
                return latency_ms(variant)
            case "throughput":
                return throughput(variant)
            case "size":
                return variant.size_bytes(manifest.files)

    own = figure(best)
    assert own is not None, "a recommended variant was timed"
    words = {
        "latency": f"{number(own)} ms for one image",
        "throughput": f"{number(own)} images/s",
        "size": human_bytes(own),
    }[manifest.aim]
    plain = plain_variant(best.stage, manifest.variants)
    other = None if plain in (None, best) else figure(plain)
    if other and manifest.aim == "size":
        words += f", {own / other:.0%} of FP32 in ONNX Runtime"
    elif other:
        ratio = own / other if manifest.aim == "throughput" else other / own
        words += f", {number(ratio)} times as fast as FP32 in ONNX Runtime"
    quality = metric_value(best, PSNR_MEAN)
    return words + (f"; mean PSNR {quality:.1f} dB" if quality is not None else "")
