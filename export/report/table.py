"""The table that a person decides from, and the sentences under it: one for terminal, report and demo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...bundle.manifest import Aim, FileRecord, Manifest, Variant
from ...parity.gate import DISTANCE_RATIO, PSNR_MEAN, PSNR_MIN, SSIM
from ...reporting import human_bytes, number
from .choice import latency_ms, metric_value, pareto_front, throughput

__all__ = ["NOTHING", "Decision", "decide"]

NOTHING = "–"
"""Stands in a cell for what was not measured."""

_COLUMNS = (
    *("variant", "verdict", "size|right", "PSNR min|right", "mean, dB|right", "SSIM|right"),
    *("FD ratio|right", "p50 ms|right", "images/s|right", "mark"),
)


@dataclass(frozen=True)
class Decision:
    """What is known of a bundle's variants, for people.

    Args:
        columns: headings, those of figures ending in "|right"; what no variant has is left out.
        rows: the cells, a row for each variant.
        notes: a line for each variant that failed, was not run, or keeps layers in FP32.
        choice: which variants to take and why, in a sentence or two.
        command: that deploys them; empty where none is recommended.
    """

    columns: list[str]
    rows: list[list[str]]
    notes: list[str]
    choice: str
    command: str


def decide(bundle: str, manifest: Manifest) -> Decision:
    """Everything that a person needs to choose a variant.

    Args:
        bundle: its path or name, as a command would take it.
        manifest: its contents, with the recommended variants.
    """
    variants, files = manifest.variants, manifest.files
    aim, recommended = manifest.aim, manifest.recommended
    front = pareto_front(variants)
    rows = [_row(variant, files, variant.name in front, variant.name in recommended) for variant in variants]
    filled = [place for place in range(len(_COLUMNS)) if any(row[place] not in ("", NOTHING) for row in rows)]
    return Decision(
        [_COLUMNS[place] for place in filled],
        [[row[place] for place in filled] for row in rows],
        [note for variant in variants for note in _notes(variant)],
        _choice(variants, files, aim, recommended),
        f"litho deploy {bundle} --variant {','.join(recommended)}" if recommended else "",
    )


def _row(variant: Variant, files: Mapping[str, FileRecord], on_front: bool, recommended: bool) -> list[str]:
    def figure(metric: str, decimals: int) -> str:
        value = metric_value(variant, metric)
        return NOTHING if value is None else f"{value:.{decimals}f}"

    return [
        variant.name,
        variant.verdict.status.replace("_", " "),
        human_bytes(files[variant.file].size_bytes),
        figure(PSNR_MIN, 1),
        figure(PSNR_MEAN, 1),
        figure(SSIM, 4),
        figure(DISTANCE_RATIO, 3),
        number(latency_ms(variant)),
        number(throughput(variant)),
        "recommended" if recommended else "front" if on_front else "",
    ]


def _notes(variant: Variant) -> Iterator[str]:
    if variant.verdict.status == "failed":
        yield f"{variant.name} failed: {variant.verdict.reason}."
    if variant.verdict.status == "not_run":
        yield f"{variant.name} was not run: {variant.verdict.reason}."
    if variant.fp32_layers:
        count, first = len(variant.fp32_layers), variant.fp32_layers[0]
        of = f" of {variant.layers}" if variant.layers else ""
        yield f"{variant.name} keeps {count}{of} layers in FP32, the most sensitive {first}."


def _choice(
    variants: Sequence[Variant], files: Mapping[str, FileRecord], aim: Aim, recommended: Sequence[str]
) -> str:
    if not recommended:
        passed = [variant for variant in variants if variant.verdict.status == "passed"]
        why = "none of those that passed was timed" if passed else "none passed here"
        return f"No variant is recommended: {why}."
    by_name = {variant.name: variant for variant in variants}
    reasons = [_reason(by_name[name], variants, files, aim) for name in recommended]
    return f"Recommended for {aim}: {'; '.join(reasons)}."


def _reason(best: Variant, variants: Sequence[Variant], files: Mapping[str, FileRecord], aim: Aim) -> str:
    """Why a variant is the best for an aim, beside the plain graph in FP32."""

    def figure(variant: Variant) -> float | None:
        match aim:
            case "latency":
                return latency_ms(variant)
            case "throughput":
                return throughput(variant)
            case "size":
                return files[variant.file].size_bytes

    own = figure(best)
    assert own is not None, "what is recommended was timed"
    words = {
        "latency": f"{number(own)} ms for one picture",
        "throughput": f"{number(own)} images/s",
        "size": human_bytes(own),
    }[aim]
    plain = next(
        (one for one in variants if one.name == f"{best.stage}.fp32.onnx" and one.name != best.name), None
    )
    other = None if plain is None else figure(plain)
    if other and aim == "size":
        words += f", {own / other:.0%} of FP32 in ONNX Runtime"
    elif other:
        ratio = own / other if aim == "throughput" else other / own
        words += f", {number(ratio)} times as fast as FP32 in ONNX Runtime"
    quality = metric_value(best, PSNR_MEAN)
    return f"{best.name} ({words}" + (f"; mean PSNR {quality:.1f} dB)" if quality is not None else ")")
