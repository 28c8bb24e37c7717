"""Judge pictures against the ones that PyTorch made in FP32; knows arrays only, neither torch nor a runtime.

A figure that could not be computed fails, and so does a variant without figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import Figure, Verdict
from ..bundle.probes import Probes
from ..errors import LithoError, out_of_memory
from ..plugins import load_plugin
from ..runners.base import Runner

__all__ = [
    "DISTANCE_RATIO",
    "IDENTICAL_PIXELS",
    "IDENTICAL_SHARE",
    "PSNR_MEAN",
    "PSNR_MIN",
    "SSIM",
    "Gate",
    "compare",
    "judge",
    "limits",
    "make",
    "replay",
    "replay_sizes",
]

Replay = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Pictures, and the ones that PyTorch made of the same inputs."""

MAX_DIFFERENCE = "max difference (grey levels)"
IDENTICAL_PIXELS = "identical pixels"
PSNR_MIN, PSNR_MEAN, SSIM = "PSNR min (dB)", "PSNR mean (dB)", "SSIM mean"
DISTANCE_RATIO = "FD ratio"
SHIFT = "mean shift (grey levels)"

_FAILURES = {
    MAX_DIFFERENCE: "a pixel is {:g} grey levels off (max difference; allowed is at most {:g})",
    IDENTICAL_PIXELS: "only {:.2%} of the pixels are as they were (identical pixels; at least {:.1%} must be)",
    PSNR_MIN: "the worst picture is too far from PyTorch's (PSNR min {:.1f} dB; at least {:g} dB is asked)",
    PSNR_MEAN: "the pictures are too far from PyTorch's (PSNR mean {:.1f} dB; at least {:g} dB is asked)",
    SSIM: "the pictures look unlike PyTorch's (SSIM mean {:.4f}; at least {:g} is asked)",
    SHIFT: "all pictures are too bright or too dark (mean shift {:.2f} grey levels; at most {:g} is allowed)",
    DISTANCE_RATIO: "as a set the pictures are other ones than PyTorch's (FD ratio {:.3f}; at most {:g} is allowed)",
}
"""Metric -> what is wrong where its figure, the first number, does not keep its limit, the second."""

IDENTICAL_SHARE = 0.999
"""Share of identical pixels from which on pictures are the same: the determinism contract's."""

IDENTICAL_PSNR_DB = 100.0
"""Stands for the infinite PSNR of identical pictures, which JSON cannot write."""


@dataclass(frozen=True)
class Gate:
    """Limits of one precision.

    Args:
        max_abs_levels: largest difference of a pixel, in grey levels of 0 to 255; None for no limit.
        identical_share: smallest share of pixels that are identical, 0 to 1; None for no limit.
        min_psnr_db: smallest PSNR of any one picture, in decibels; None for no limit.
        shift_levels: largest mean of the signed difference, in grey levels, either way: rounding errors cancel,
            another range does not; None for no limit.
        mean_psnr_db: smallest mean of the pictures' PSNR, in decibels; None for no limit.
        distance_ratio: how much further from other pictures of PyTorch the variant's may be, in Fréchet distance,
            than PyTorch's own of the same inputs are; None for no limit.
    """

    max_abs_levels: float | None = None
    identical_share: float | None = None
    min_psnr_db: float | None = None
    mean_psnr_db: float | None = None
    shift_levels: float | None = None
    distance_ratio: float | None = None


def limits(*precisions: str) -> Gate:
    """The gate of a precision; of several, the loosest one.

    Args:
        precisions: names of modules of `export.precisions`, which need neither torch nor onnx.

    Raises:
        UnknownName: there is no such precision.
    """
    found = [load_plugin("litho.export.precisions", name, "precision").PRECISION for name in precisions]
    return max(found, key=lambda precision: precision.rank).gate


def judge(
    pictures: Iterable[NDArray[np.uint8]],
    reference: NDArray[np.uint8],
    gate: Gate,
    others: Iterable[Figure] = (),
    sizes: Iterable[Replay] = (),
) -> Verdict:
    """The verdict on one or more replays of the same probes.

    Args:
        pictures: replays, each UINT8 of shape (count, height, width, channels).
        reference: the pictures that PyTorch made, same shape.
        gate: the limits.
        others: figures that were measured otherwise and count too.
        sizes: replays of probes of other sizes, each with the pictures that PyTorch made.
    """
    compared = [compare(replayed, reference, gate) for replayed in pictures]
    of_sizes = [compare(*replayed, gate) for replayed in sizes]
    # The worst replay is the variant's figure: the picture must not depend on the batch that it rode in. The few
    # pictures of another size say nothing of how bright all of them are.
    paired = tuple(
        _worst((*figures, *(other[place] for other in of_sizes if other[place].metric != SHIFT)))
        for place, figures in enumerate(zip(*compared, strict=True))
    )
    figures = (*paired, *others) if paired else ()
    failed = [figure for figure in figures if not figure.passed]
    if not figures:
        return Verdict(status="failed", reason="nothing was measured")
    if not failed:
        return Verdict(status="passed", figures=figures)
    return Verdict(status="failed", reason="; ".join(_words(figure) for figure in failed), figures=figures)


def compare(pictures: NDArray[np.uint8], reference: NDArray[np.uint8], gate: Gate) -> tuple[Figure, ...]:
    """Paired figures of pictures and reference, beside the limits of `gate`.

    Args:
        pictures, reference: UINT8 of shape (count, height, width, channels).
        gate: the limits.
    """
    max_abs = identical = psnr_min = psnr_mean = similarity = shift = None
    if pictures.shape == reference.shape and pictures.dtype == reference.dtype == np.uint8 and pictures.size:
        signed = pictures.astype(np.int16) - reference.astype(np.int16)
        difference = np.abs(signed)
        max_abs, identical = float(difference.max()), float((difference == 0).mean())
        psnr = peak_signal_to_noise_db(difference)
        psnr_min, psnr_mean = float(psnr.min()), float(psnr.mean())
        similarity, shift = structural_similarity(pictures, reference), abs(float(signed.mean()))
    return (
        Figure(metric=MAX_DIFFERENCE, value=max_abs, at_most=gate.max_abs_levels),
        Figure(metric=IDENTICAL_PIXELS, value=identical, at_least=gate.identical_share),
        Figure(metric=PSNR_MIN, value=psnr_min, at_least=gate.min_psnr_db),
        Figure(metric=PSNR_MEAN, value=psnr_mean, at_least=gate.mean_psnr_db),
        Figure(metric=SSIM, value=similarity),
        Figure(metric=SHIFT, value=shift, at_most=gate.shift_levels),
    )


def peak_signal_to_noise_db(difference: NDArray[np.int16]) -> NDArray[np.float64]:
    """PSNR of each picture: 10 log10(255**2 / mean squared error), at most `IDENTICAL_PSNR_DB`.

    Args:
        difference: grey levels, shape (count, height, width, channels).

    Returns:
        FP64 of shape (count,), decibels.
    """
    squared = np.square(difference, dtype=np.float64).mean(axis=(1, 2, 3))
    smallest = 255.0**2 / 10 ** (IDENTICAL_PSNR_DB / 10)
    return 10 * np.log10(255.0**2 / np.maximum(squared, smallest))


def structural_similarity(pictures: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """SSIM (Wang et al. 2004, equation 13, with its constants), averaged over all windows, channels and pictures.

    Args:
        pictures, reference: UINT8 of shape (count, height, width, channels); of pictures smaller than the window of
            11 pixels, a smaller window.

    Returns:
        -1 to 1; 1 of identical pictures.
    """
    side = min(11, *pictures.shape[1:3])
    places = np.arange(side) - (side - 1) / 2
    weights = np.exp(-(places**2) / (2 * 1.5**2))
    weights /= weights.sum()

    def blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
        for axis in (1, 2):
            values = np.lib.stride_tricks.sliding_window_view(values, side, axis) @ weights
        return values

    total = 0.0
    for made, wanted in zip(pictures, reference, strict=True):
        x, y = made[None].astype(np.float64), wanted[None].astype(np.float64)
        mean_x, mean_y = blurred(x), blurred(y)
        variance_x, variance_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
        covariance = blurred(x * y) - mean_x * mean_y
        first, second = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        total += float(
            np.mean(
                (2 * mean_x * mean_y + first)
                * (2 * covariance + second)
                / ((mean_x**2 + mean_y**2 + first) * (variance_x + variance_y + second))
            )
        )
    return total / len(pictures)


def replay(runner: Runner, probes: Probes, batch: int) -> NDArray[np.uint8]:
    """Make the probes' pictures again, `batch` at a time.

    Raises:
        LithoError: the runner failed.
        MemoryError: it had no memory left, which says nothing of its pictures.
    """
    if set(probes.inputs) != {field.name for field in runner.signature.inputs}:
        raise LithoError(
            f"the probes have fields {sorted(probes.inputs)}, {runner.description} takes"
            f" {sorted(field.name for field in runner.signature.inputs)}; it is another generator"
        )
    return make(runner, probes.inputs, batch)


def make(runner: Runner, inputs: Mapping[str, NDArray[Any]], batch: int) -> NDArray[np.uint8]:
    """Make pictures, `batch` at a time.

    Args:
        runner: of the generator.
        inputs: of the signature, name -> array with one common batch axis in front.
        batch: pictures of one run.

    Raises:
        LithoError: the runner failed.
        MemoryError: it had no memory left, which says nothing of its pictures.
    """
    count, name = len(next(iter(inputs.values()))), runner.signature.output.name
    parts = (
        {field: values[start : start + batch] for field, values in inputs.items()}
        for start in range(0, count, batch)
    )
    try:
        return np.concatenate([runner.run(part)[name] for part in parts])
    except LithoError as error:
        if out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise


def replay_sizes(runner: Runner, probes: Probes) -> list[Replay]:
    """Make again, together and alone, what the probes have of other sizes than the usual one.

    Raises:
        LithoError: the runner failed.
    """
    return [
        (replay(runner, bank, batch), bank.images)
        for bank in probes.others
        for batch in (len(bank.images), 1)
    ]


def _worst(figures: tuple[Figure, ...]) -> Figure:
    values = [figure.value for figure in figures]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return figures[values.index(None)]
    return figures[values.index(max(known) if figures[0].metric in (MAX_DIFFERENCE, SHIFT) else min(known))]


def _words(figure: Figure) -> str:
    if figure.value is None:
        return f"{figure.metric} could not be computed" + (f": {figure.why}" if figure.why else "")
    limit = figure.at_most if figure.at_most is not None else figure.at_least
    sentence = next(words for metric, words in _FAILURES.items() if figure.metric.startswith(metric))
    return sentence.format(figure.value, limit)
