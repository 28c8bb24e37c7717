"""The page of a bundle: variants with their verdicts, pictures side by side, provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..bundle import Figure, FileRecord, Variant
from ..reporting import human_bytes, number, picture_grid, png, render
from .gate import IDENTICAL_PIXELS

__all__ = ["figure_words", "render_report", "summarise", "variant_rows"]

SHOWN_PROBES = 10
AMPLIFICATION = 64
"""A difference of one grey level becomes visible, one of four saturates."""


def render_report(
    name: str,
    variants: Sequence[Variant],
    files: dict[str, FileRecord],
    reference: NDArray[np.uint8],
    pictures: dict[str, NDArray[np.uint8]],
    recommended: Sequence[str],
    provenance: dict[str, str],
) -> str:
    """The report as one HTML file.

    Args:
        name: of the bundle.
        variants: everything that was made.
        files: path -> size and hash.
        reference: pictures that PyTorch made of the probes, UINT8 of shape (count, height, width, channels).
        recommended: names of variants.
        pictures: name of a variant -> its pictures of the same probes, for those that ran.
        provenance: name -> value, of what the bundle was made from and by.
    """
    columns, rows = variant_rows(variants, files)
    compared, replayed = next(iter(pictures.items()))
    return render(
        "export.html",
        manifest={"name": name},
        summary=summarise(variants),
        not_run=[f"{v.name}: {v.verdict.reason}." for v in variants if v.verdict.status == "not_run"],
        columns=columns,
        rows=rows,
        amplification=AMPLIFICATION,
        compared=compared,
        pictures=png(_side_by_side(reference, replayed)),
        provenance=provenance.items(),
    )


def variant_rows(
    variants: Sequence[Variant], files: Mapping[str, FileRecord]
) -> tuple[list[str], list[list[str]]]:
    """A row for each variant: headings, those of figures ending in "|right", and the cells."""
    metrics = list(dict.fromkeys(figure.metric for variant in variants for figure in variant.verdict.figures))
    rows = []
    for variant in variants:
        figures = {figure.metric: figure_words(figure) for figure in variant.verdict.figures}
        size = human_bytes(files[variant.file].size_bytes)
        status = variant.verdict.status.replace("_", " ")
        measured = [figures.get(metric, "–") for metric in metrics]
        rows.append([variant.name, status, variant.runtime, variant.target or "any", size, *measured])
    headings = [
        "variant",
        "verdict",
        "runtime",
        "target",
        "size|right",
        *(f"{metric}|right" for metric in metrics),
    ]
    return headings, rows


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


def figure_words(figure: Figure) -> str:
    """A figure's value for a table."""
    if figure.value is not None and figure.metric == IDENTICAL_PIXELS:
        return f"{figure.value:.4%}"
    return number(figure.value)


def _side_by_side(reference: NDArray[np.uint8], replayed: NDArray[np.uint8]) -> Image.Image:
    difference = np.abs(reference.astype(np.int16) - replayed.astype(np.int16))
    worst = np.argsort(-difference.max(axis=(1, 2, 3)), kind="stable")[:SHOWN_PROBES]
    amplified = np.clip(difference[worst] * AMPLIFICATION, 0, 255).astype(np.uint8)
    rows = np.concatenate([reference[worst], replayed[worst], amplified])
    return picture_grid(rows, columns=len(worst), row_names=("PyTorch", "variant", "difference"))
