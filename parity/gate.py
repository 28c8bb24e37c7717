"""Limits of a precision, and the verdict on pictures against PyTorch's FP32 pictures; knows arrays only.

A figure that could not be computed fails, and so does a verdict without figures.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import GRADES, Figure, Grade, Manifest, Sampler, Variant, Verdict
from ..bundle.probes import EXTREMES
from ..errors import UnknownName
from ..plugins import load_plugin
from .metrics import psnr_db, ssim

__all__ = [
    "DISTANCE_RATIO",
    "IDENTICAL_PIXELS",
    "IDENTICAL_SHARE",
    "PSNR_MEAN",
    "PSNR_MIN",
    "SHARE",
    "SSIM",
    "Gate",
    "Replay",
    "compare",
    "grade_of",
    "judge",
    "limits",
    "weakest",
]

MAX_DIFFERENCE = "max difference (grey levels)"
IDENTICAL_PIXELS = "identical pixels"
PSNR_MIN, PSNR_MEAN, SSIM = "PSNR min (dB)", "PSNR mean (dB)", "SSIM mean"
DISTANCE_RATIO = "FD ratio"
SHIFT = "mean shift (grey levels)"
SHARE = "pictures within the limits"
_FAILURES = {
    MAX_DIFFERENCE: "a pixel is {:g} grey levels off (max difference; allowed is at most {:g})",
    IDENTICAL_PIXELS: "only {:.2%} of the pixels match PyTorch's (identical pixels; at least {:.1%} is required)",
    PSNR_MIN: "the worst picture differs too much from PyTorch's (PSNR min {:.1f} dB; at least {:g} dB is required)",
    PSNR_MEAN: "the pictures differ too much from PyTorch's (PSNR mean {:.1f} dB; at least {:g} dB is required)",
    SSIM: "the pictures differ too much from PyTorch's (SSIM mean {:.4f}; at least {:g} is required)",
    SHIFT: "all pictures are too bright or too dark (mean shift {:.2f} grey levels; allowed is at most {:g})",
    SHARE: "too many pictures differ too much from PyTorch's (only {:.1%} within the limits; at least {:.1%} must be)",
    DISTANCE_RATIO: "the set of pictures differs too much from PyTorch's (FD ratio {0:.3f}, with 95 % confidence"
    " {2:.3f} or more; allowed is at most {1:g})",
}
"""Metric -> message for a figure outside its limit: the figure, the limit, and the figure's lower bound."""

_LEAST_COUNT = 8
"""Probes of which one picture may part where a share of them may."""

IDENTICAL_SHARE = 0.999
"""Least share of identical pixels for pictures to count as the same; the determinism contract uses it too."""


@dataclass(frozen=True)
class Gate:
    """Limits of one precision; None means no limit.

    Args:
        max_abs_levels: largest difference of a pixel, in grey levels of 0 to 255.
        identical_share: smallest share of identical pixels, 0 to 1.
        min_psnr_db: smallest PSNR of any one picture, in decibels.
        mean_psnr_db: smallest mean PSNR of the pictures, in decibels.
        shift_levels: largest absolute mean of the signed difference, in grey levels. Rounding errors cancel out in
            it, a wrong range does not.
        share: smallest share of the probes whose picture must keep `max_abs_levels` and `min_psnr_db`, 0 to 1.
        distance_ratio: largest ratio of two Fréchet distances: of the variant's pictures to other pictures by
            PyTorch, over that of PyTorch's own pictures of the same inputs.
    """

    max_abs_levels: float | None = None
    identical_share: float | None = None
    min_psnr_db: float | None = None
    mean_psnr_db: float | None = None
    shift_levels: float | None = None
    share: float = 1.0
    distance_ratio: float | None = None

    @property
    def grade(self) -> Grade:
        """What pictures within the limits promise."""
        return "same picture" if self.distance_ratio is None else "same distribution"


@dataclass(frozen=True)
class Replay:
    """Pictures of a bank of probes, all made at the same batch.

    Args:
        pictures: UINT8 of shape (count, height, width, channels).
        reference: PyTorch's pictures of the same inputs, same shape.
        batch: pictures at a time; 0 if it is not known.
        bank: name of the bank; empty for the usual probes.
        numbers: numbers of the probes that were made, one for each picture; None for all of the bank in their order.
            The bank's first replay is of all of it.
    """

    pictures: NDArray[np.uint8]
    reference: NDArray[np.uint8]
    batch: int = 0
    bank: str = ""
    numbers: tuple[int, ...] | None = None


def limits(*precisions: str, sampler: Sampler | None = None) -> Gate:
    """The gate of a precision; of several, the loosest one.

    Args:
        precisions: names of modules of `export.precisions`, which need neither torch nor onnx.
        sampler: of the generator, if it has one.

    Raises:
        UnknownName: there is no such precision.
    """
    found = [load_plugin("litho.export.precisions", name, "precision").PRECISION for name in precisions]
    return max(found, key=lambda precision: precision.rank).limits(sampler)


def weakest(grades: Iterable[Grade]) -> Grade:
    """The weakest of some grades, which is what variants promise together."""
    return max(grades, key=GRADES.index)


def grade_of(variant: Variant, manifest: Manifest) -> Grade:
    """What a variant's pictures promise: what its bundle says, or its precision here if that is the weaker grade.

    Bundles of before the grades record none. A bundle that claims more than its precision can promise is not believed,
    nor one whose precision is not known here.
    """
    try:
        today = limits(variant.precision, sampler=manifest.sampler).grade
    except UnknownName:
        today = GRADES[-1]
    return weakest((today, variant.grade))


def judge(replays: Iterable[Replay], gate: Gate, further: Iterable[Figure] = ()) -> Verdict:
    """The verdict on replays of banks of probes; every bank has figures of its own, those of its worst replay.

    The grade "same distribution" speaks of what requests ask for: there the extremes are measured and not limited.

    Args:
        replays: of the usual probes and of further banks.
        gate: the limits.
        further: figures measured elsewhere that count too.
    """
    banks: dict[str, list[Replay]] = {}
    for one in replays:
        banks.setdefault(one.bank, []).append(one)
    figures: list[Figure] = []
    reasons: dict[str, list[str]] = {}
    parted: set[int] = set()
    for bank, of_bank in banks.items():
        limited = Gate() if bank == EXTREMES and gate.grade == "same distribution" else gate
        found = [_parted(one, limited) for one in of_bank]
        if not bank:
            parted.update(*found)
        for figure, batches in (*_worst_figures(of_bank, limited), *_share(of_bank, found, limited)):
            figures.append(figure)
            if not figure.passed:
                reasons.setdefault(bank, []).append(f"{_message(figure)}{_only_at(batches)}")
        for figure in () if bank else further:
            figures.append(figure)
            if not figure.passed:
                reasons.setdefault(bank, []).append(_message(figure))
    if not figures:
        return Verdict(status="failed", reason="nothing was measured")
    return Verdict(
        status="failed" if reasons else "passed",
        reason=_reason(reasons),
        figures=tuple(figures),
        parted=tuple(sorted(parted)),
    )


def _worst_figures(replays: Sequence[Replay], gate: Gate) -> list[tuple[Figure, list[int]]]:
    """Figures of the worst of a bank's replays; a picture must not depend on its batch.

    Returns:
        Each figure with the batches at which it fails, empty if it fails whenever the whole bank is made.
    """
    if gate.share < 1:  # `_share` counts the pictures that keep these
        gate = replace(gate, max_abs_levels=None, min_psnr_db=None)
    compared: dict[str, list[tuple[Replay, Figure]]] = {}
    for one in replays:
        # Of a further bank there are too few pictures for a shift, and similarity takes long.
        left_out = (SSIM, SHIFT) if one.bank else (SSIM,) if one.numbers else ()
        figures = compare(one.pictures, one.reference, gate, left_out)
        for figure in figures if one.numbers is None else _of_part(figures, one, replays[0]):
            compared.setdefault(figure.metric, []).append((one, figure))
    worst = []
    for found in compared.values():
        figure = _worst([figure for _, figure in found]).model_copy(update={"bank": replays[0].bank})
        failed = {one.batch for one, other in found if not other.passed}
        # A part of the bank may lack the probes that fail: that it passes says nothing about its batch.
        everywhere = all(one.batch in failed for one, _ in found if one.numbers is None)
        worst.append((figure, [] if everywhere else sorted(failed)))
    return worst


def _of_part(figures: Iterable[Figure], part: Replay, whole: Replay) -> Iterator[Figure]:
    """The figures of a part of a bank, with means as if its batch changed all pictures as it changes these."""
    if not (_comparable(part.pictures, part.reference) and _comparable(whole.pictures, whole.reference)):
        yield from figures
        return
    rows = list(part.numbers or ())
    mean_of_all, shift_of_all = _means(whole.pictures, whole.reference)
    mean_before, shift_before = _means(whole.pictures[rows], whole.reference[rows])
    mean, shift = _means(part.pictures, part.reference)
    estimated = {
        PSNR_MEAN: mean_of_all + mean - mean_before,
        SHIFT: abs(shift_of_all + shift - shift_before),
    }
    for figure in figures:
        yield figure.model_copy(update={"value": estimated.get(figure.metric, figure.value)})


def _means(pictures: NDArray[np.uint8], reference: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean PSNR in decibels, and mean signed difference in grey levels."""
    signed = pictures.astype(np.int16) - reference.astype(np.int16)
    return float(psnr_db(pictures, reference).mean()), float(signed.mean())


def _parted(one: Replay, gate: Gate) -> set[int]:
    """Numbers of the probes whose picture is not within the limits of a single picture."""
    if not _comparable(one.pictures, one.reference):
        return set()
    outside = np.zeros(len(one.pictures), bool)
    if gate.max_abs_levels is not None:
        difference = np.abs(one.pictures.astype(np.int16) - one.reference.astype(np.int16))
        outside |= difference.max(axis=(1, 2, 3)) > gate.max_abs_levels
    if gate.min_psnr_db is not None:
        outside |= psnr_db(one.pictures, one.reference) < gate.min_psnr_db
    numbers = range(len(outside)) if one.numbers is None else one.numbers
    return {numbers[row] for row in np.flatnonzero(outside)}


def _share(
    replays: Sequence[Replay], parted: Sequence[set[int]], gate: Gate
) -> list[tuple[Figure, list[int]]]:
    """The share of a bank's probes whose picture is within the limits in every replay, where a few need not be.

    Args:
        replays: of the bank.
        parted: for each replay the probes whose picture is not.
        gate: the limits.

    Returns:
        At most one figure, with the batches at which it fails, empty if it fails only over all of them.
    """
    if gate.share == 1:
        return []
    count = max(len(one.reference) for one in replays if one.numbers is None)
    # A bank of fewer than 20 probes can show no share of 95 %.
    least = min(gate.share, 1 - 1 / count) if count >= _LEAST_COUNT else gate.share
    failed = {one.batch for one, found in zip(replays, parted, strict=True) if 1 - len(found) / count < least}
    limits_of_one = [
        f"at most {gate.max_abs_levels:g} grey levels off" if gate.max_abs_levels is not None else "",
        f"PSNR at least {gate.min_psnr_db:g} dB" if gate.min_psnr_db is not None else "",
    ]
    figure = Figure(
        metric=f"{SHARE} ({', '.join(filter(None, limits_of_one))})",
        value=1 - len(set[int]().union(*parted)) / count,
        at_least=least,
        bank=replays[0].bank,
    )
    everywhere = len(failed) == len({one.batch for one in replays})
    return [(figure, [] if everywhere else sorted(failed))]


def _reason(reasons: Mapping[str, Sequence[str]]) -> str:
    """One line: bank -> messages of its figures. What the usual probes fail at, further banks mostly fail at too."""
    usual, banks = reasons.get("", ()), [bank for bank in reasons if bank]
    if usual:
        too = f"; {'banks' if banks[1:] else 'bank'} {_listed(banks)} too" if banks else ""
        return "; ".join(usual) + too
    return "; ".join(f"{bank}: {message}" for bank in banks for message in reasons[bank])


def _only_at(batches: Sequence[int]) -> str:
    return f", only at batch {_listed(batches)}" if batches else ""


def _listed(things: Sequence[object]) -> str:
    *others, last = map(str, things)
    return f"{', '.join(others)} and {last}" if others else last


def compare(
    pictures: NDArray[np.uint8], reference: NDArray[np.uint8], gate: Gate, left_out: Container[str] = ()
) -> tuple[Figure, ...]:
    """Figures of pictures against reference pictures, with the limits of `gate`.

    Args:
        pictures, reference: UINT8 of shape (count, height, width, channels); where shapes or dtypes differ, no figure
            has a value.
        gate: the limits.
        left_out: metrics that are not wanted.
    """
    max_abs = identical = psnr_min = psnr_mean = similarity = shift = None
    if _comparable(pictures, reference):
        signed = pictures.astype(np.int16) - reference.astype(np.int16)
        max_abs, identical = float(np.abs(signed).max()), float((signed == 0).mean())
        psnr = psnr_db(pictures, reference)
        psnr_min, psnr_mean = float(psnr.min()), float(psnr.mean())
        similarity = None if SSIM in left_out else ssim(pictures, reference)
        shift = abs(float(signed.mean()))
    figures = (
        Figure(metric=MAX_DIFFERENCE, value=max_abs, at_most=gate.max_abs_levels),
        Figure(metric=IDENTICAL_PIXELS, value=identical, at_least=gate.identical_share),
        Figure(metric=PSNR_MIN, value=psnr_min, at_least=gate.min_psnr_db),
        Figure(metric=PSNR_MEAN, value=psnr_mean, at_least=gate.mean_psnr_db),
        Figure(metric=SSIM, value=similarity),
        Figure(metric=SHIFT, value=shift, at_most=gate.shift_levels),
    )
    return tuple(figure for figure in figures if figure.metric not in left_out)


def _comparable(pictures: NDArray[np.uint8], reference: NDArray[np.uint8]) -> bool:
    return bool(
        pictures.shape == reference.shape and pictures.dtype == reference.dtype == np.uint8 and pictures.size
    )


def _worst(figures: Sequence[Figure]) -> Figure:
    values = [figure.value for figure in figures]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return figures[values.index(None)]
    return figures[values.index(max(known) if figures[0].metric in (MAX_DIFFERENCE, SHIFT) else min(known))]


def _message(figure: Figure) -> str:
    if figure.value is None:
        return f"{figure.metric} could not be computed" + (f": {figure.why}" if figure.why else "")
    limit = figure.at_most if figure.at_most is not None else figure.at_least
    template = next(text for metric, text in _FAILURES.items() if figure.metric.startswith(metric))
    return template.format(figure.value, limit, figure.value if figure.lower is None else figure.lower)
