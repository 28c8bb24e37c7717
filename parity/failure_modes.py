"""Why pictures failed their gate: the usual faults of an export, tried one by one.

A figure says how far pictures are off. This names the fault, where one of a few tests finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import Verdict
from ..bundle.probes import Probes, in_words
from ..errors import LithoError
from ..runners.base import Runner
from ..signature.fields import Role
from .gate import Replay
from .metrics import psnr_db

__all__ = ["explain"]

_NEAR_LEVELS = 1.5
"""Pictures whose mean absolute difference is at most this, in grey levels, count as the same."""

_LEAST_PROBES = 3
"""Pictures that must be right, and that must be wrong, before an input's values can be the cause."""

_TRIED = 16
"""Probes that are made again with shifted labels."""


def explain(
    verdict: Verdict,
    replays: Sequence[Replay],
    probes: Probes,
    runner: Runner,
    locate: Callable[[], str | None] = lambda: None,
) -> Verdict:
    """The verdict; if it failed because of its pictures, with the most likely cause in its reason.

    Args:
        verdict: on the replays.
        replays: of the usual probes, then of further banks.
        probes: with PyTorch's pictures.
        runner: made the replays; it makes some pictures again.
        locate: names the layer at which the pictures go wrong, or gives None; called only if no usual fault fits.
    """
    if verdict.status != "failed" or not replays or replays[0].pictures.shape != probes.images.shape:
        return verdict
    # A figure that could not be computed says nothing about the pictures.
    failed = [figure for figure in verdict.figures if not figure.passed and figure.value is not None]
    if not failed:
        return verdict
    if all(figure.bank for figure in failed):
        cause = _of_bank(failed[0].bank, replays, probes)
    else:
        cause = _of_usual(replays, probes, runner)
    if cause is None:
        layer = locate()
        cause = "no usual fault explains it" + (
            ": the weights differ, a layer computes something else, or the precision loses too much"
            if layer is None
            else f"; {layer}"
        )
    return verdict.model_copy(update={"reason": f"{verdict.reason}; {cause}"})


def _of_usual(replays: Sequence[Replay], probes: Probes, runner: Runner) -> str | None:
    pictures = replays[0].pictures
    cause = _dependence_on_batch([one for one in replays if not one.bank]) or _shift(pictures, probes.images)
    cause = cause or _arrangement(pictures, probes.images) or _labels(probes, runner)
    return cause or _values(pictures, probes)


def _of_bank(name: str, replays: Sequence[Replay], probes: Probes) -> str | None:
    """Why a further bank fails where the usual probes pass."""
    if name.startswith("size "):
        return (
            "pictures of the usual size are right, those of another size are not: the graph has a size built in, or"
            " branches on it"
        )
    replayed = next(one for one in replays if one.bank == name)
    bank = next(one for one in probes.others if one.name == name)
    if replayed.pictures.shape != replayed.reference.shape:
        return None
    worst = int(psnr_db(replayed.pictures, replayed.reference).argmin())
    return f"the usual probes pass; the worst of the bank {name!r} is number {worst}: {in_words(bank.inputs, worst)}"


def _values(pictures: NDArray[np.uint8], probes: Probes) -> str | None:
    """The number on whose value it depends whether a picture is wrong."""
    wrong = np.array([_distance(*pair) > _NEAR_LEVELS for pair in zip(pictures, probes.images, strict=True)])
    if min(wrong.sum(), (~wrong).sum()) < _LEAST_PROBES:
        return None
    for name, values in probes.inputs.items():
        if values.ndim != 1 or values.dtype == object:
            continue
        least, most = values[wrong].min(), values[wrong].max()
        if ((values >= least) & (values <= most) & ~wrong).any():
            continue
        number = "{:g}" if values.dtype.kind == "f" else "{}"
        shown = " to ".join(map(number.format, dict.fromkeys((least, most))))
        return f"only pictures of {name} {shown} are wrong: that input is taken otherwise than in PyTorch"
    return None


def _distance(pictures: NDArray[np.uint8], others: NDArray[np.uint8]) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(pictures.astype(np.float64) - others).mean())


def _dependence_on_batch(replays: Sequence[Replay]) -> str | None:
    first, *others = replays
    apart = (
        _distance(
            other.pictures, first.pictures if other.numbers is None else first.pictures[list(other.numbers)]
        )
        for other in others
    )
    if max(apart, default=0) <= _NEAR_LEVELS:
        return None
    return (
        "a picture depends on the batch that it rides in: a layer normalises over the batch, as BatchNorm in training"
        " mode does"
    )


def _shift(pictures: NDArray[np.uint8], reference: NDArray[np.uint8]) -> str | None:
    # Black and white pixels clip: only those between show the shift.
    inner = (reference > 8) & (reference < 247)
    if not inner.any():
        return None
    difference = pictures[inner].astype(np.int16) - reference[inner]
    typical = float(np.median(difference))
    if abs(typical) < 1 or float((difference == typical).mean()) < 0.9:
        return None
    levels = "grey level" if abs(typical) == 1 else "grey levels"
    return f"all pixels are {typical:+g} {levels} off: the range or the rounding differs"


def _arrangement(pictures: NDArray[np.uint8], reference: NDArray[np.uint8]) -> str | None:
    channels = reference.shape[-1]
    colours = channels - (channels % 2 == 0)  # the last one is alpha
    order = [2, 1, 0, 3][:channels] if channels > 2 else list(range(channels))
    rearranged: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
        "red and blue are swapped": lambda images: images[..., order],
        "height and width are swapped": lambda images: images.transpose(0, 2, 1, 3),
        "the pictures are upside down": lambda images: images[:, ::-1],
        "the pictures are mirrored": lambda images: images[:, :, ::-1],
        "black and white are swapped": lambda images: _inverted(images, slice(colours)),
        "transparent and opaque are swapped": lambda images: _inverted(images, slice(colours, None)),
        "alpha comes first": lambda images: np.roll(images, colours - channels, axis=-1),
    }
    before = _distance(pictures, reference)
    for cause, rearrange in rearranged.items():
        other = rearrange(pictures)
        if other.shape == reference.shape and _distance(other, reference) <= min(_NEAR_LEVELS, before / 4):
            return cause
    return None


def _inverted(images: NDArray[Any], channels: slice) -> NDArray[Any]:
    changed = images.copy()
    changed[..., channels] = 255 - changed[..., channels]
    return changed


def _labels(probes: Probes, runner: Runner) -> str | None:
    field = runner.signature.field(Role.LABEL)
    if field is None or field.maximum is None:
        return None
    inputs = {name: values[:_TRIED] for name, values in probes.inputs.items()}
    count = int(field.maximum) + 1
    for step, neighbour in ((1, "before"), (-1, "after")):
        shifted = {**inputs, field.name: (inputs[field.name] + step) % count}
        try:
            made = runner.run(shifted)[runner.signature.output.name]
        except LithoError:
            return None
        # The first or last label has no neighbour to be shifted to.
        inside = (inputs[field.name] + step == shifted[field.name]).nonzero()[0]
        if len(inside) and _distance(made[inside], probes.images[inside]) <= _NEAR_LEVELS:
            return f"every label gives the picture of the label {neighbour} it: labels are shifted by one"
    return None
