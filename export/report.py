"""The page of a bundle: variants with their verdicts, pictures side by side, provenance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..bundle import Figure, FileRecord, Variant
from ..reporting import human_bytes, number, picture_grid, png, render

__all__ = ["figure_words", "render_report", "summarise"]

SHOWN_PROBES = 10
AMPLIFICATION = 64
"""A difference of one grey level becomes visible, one of four saturates."""


def render_report(
    name: str,
    variants: Sequence[Variant],
    files: dict[str, FileRecord],
    reference: NDArray[np.uint8],
    pictures: dict[str, NDArray[np.uint8]],
    provenance: dict[str, str],
) -> str:
    """The report as one HTML file.

    Args:
        name: of the bundle.
        variants: everything that was made.
        files: path -> size and hash.
        reference: pictures that PyTorch made of the probes, UINT8 of shape (count, height, width, channels).
        pictures: file of a variant -> its pictures of the same probes, for those that ran.
        provenance: name -> value, of what the bundle was made from and by.
    """
    metrics = list(dict.fromkeys(figure.metric for variant in variants for figure in variant.verdict.figures))
    rows = [_row(variant, files[variant.file], metrics) for variant in variants]
    compared, replayed = next(iter(pictures.items()))
    return render(
        "export.html",
        manifest={"name": name},
        summary=summarise(variants),
        not_run=[
            f"{v.name} was not run: {v.verdict.reason}." for v in variants if v.verdict.status == "not_run"
        ],
        metrics=metrics,
        variants=rows,
        amplification=AMPLIFICATION,
        compared=compared,
        pictures=png(_side_by_side(reference, replayed)),
        provenance=provenance.items(),
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


def figure_words(figure: Figure) -> str:
    """A figure's value for a table."""
    if figure.value is not None and "share" in figure.metric:
        return f"{figure.value:.4%}"
    return number(figure.value)


def _row(variant: Variant, record: FileRecord, metrics: list[str]) -> dict[str, object]:
    figures = {figure.metric: figure_words(figure) for figure in variant.verdict.figures}
    return {
        "name": variant.name,
        "runtime": variant.runtime,
        "target": variant.target or "any",
        "size": human_bytes(record.size_bytes),
        "figures": [figures.get(metric, "–") for metric in metrics],
        "status": variant.verdict.status,
    }


def _side_by_side(reference: NDArray[np.uint8], replayed: NDArray[np.uint8]) -> Image.Image:
    difference = np.abs(reference.astype(np.int16) - replayed.astype(np.int16))
    worst = np.argsort(-difference.max(axis=(1, 2, 3)), kind="stable")[:SHOWN_PROBES]
    amplified = np.clip(difference[worst] * AMPLIFICATION, 0, 255).astype(np.uint8)
    rows = np.concatenate([reference[worst], replayed[worst], amplified])
    return picture_grid(rows, columns=len(worst), row_names=("PyTorch", "variant", "difference"))
