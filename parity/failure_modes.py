"""What most likely went wrong with pictures that failed their gate: the usual faults of an export, each tried out.

A figure says that pictures are others; this says in which way, where one of a few questions has an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.manifest import Verdict
from ..bundle.probes import Probes
from ..errors import LithoError
from ..runners.base import Runner
from ..signature.fields import Role
from .gate import IDENTICAL_SHARE

__all__ = ["explain"]

_NEAR_LEVELS = 1.5
"""Pictures that differ by less on average than this, in grey levels, are taken for the same ones."""

_TRIED = 16
"""Probes that are made again to try something out."""


def explain(
    verdict: Verdict,
    replays: Sequence[NDArray[np.uint8]],
    probes: Probes,
    runner: Runner,
    locate: Callable[[], str | None] = lambda: None,
) -> Verdict:
    """The verdict; of one that failed, with what its pictures look like it is from.

    Args:
        verdict: on the replays.
        replays: the probes' pictures, made in batches of different sizes.
        probes: with PyTorch's pictures.
        runner: made them; it is asked for some again.
        locate: where no usual fault explains it, says at which layer it goes wrong, or None.
    """
    if verdict.status != "failed" or not replays or replays[0].shape != probes.images.shape:
        return verdict
    # A figure that could not be computed says nothing of the pictures.
    if all(figure.passed or figure.value is None for figure in verdict.figures):
        return verdict
    cause = _size(replays[0], probes) or _dependence_on_batch(replays) or _shift(replays[0], probes.images)
    cause = cause or _arrangement(replays[0], probes.images) or _labels(probes, runner)
    if cause is None:
        place = locate()
        cause = "no usual fault explains it" + (
            ": these are other weights, a layer that computes something else, or a precision that loses too much"
            if place is None
            else f"; {place}"
        )
    return verdict.model_copy(update={"reason": f"{verdict.reason}; {cause}"})


def _far(pictures: NDArray[np.uint8], others: NDArray[np.uint8]) -> float:
    return float(np.abs(pictures.astype(np.float64) - others).mean())


def _size(pictures: NDArray[np.uint8], probes: Probes) -> str | None:
    if not probes.others or (pictures == probes.images).mean() < IDENTICAL_SHARE:
        return None
    return (
        "pictures of the usual size are right, those of another size are not: a size is built in, or decides between"
        " two ways"
    )


def _dependence_on_batch(replays: Sequence[NDArray[np.uint8]]) -> str | None:
    first, *others = replays
    if max((_far(first, other) for other in others), default=0) <= _NEAR_LEVELS:
        return None
    return (
        "a picture depends on the batch that it rides in: a layer normalises over the batch, as BatchNorm in training"
        " mode does"
    )


def _shift(pictures: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> str | None:
    # Black and white cannot be shifted further: only what lies between says by how much.
    inner = (wanted > 8) & (wanted < 247)
    if not inner.any():
        return None
    difference = pictures[inner].astype(np.int16) - wanted[inner]
    typical = float(np.median(difference))
    if abs(typical) < 1 or float((difference == typical).mean()) < 0.9:
        return None
    levels = "grey level" if abs(typical) == 1 else "grey levels"
    return f"all pixels are {typical:+g} {levels} off: the range or the rounding is another"


def _arrangement(pictures: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> str | None:
    arranged: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
        "red and blue have changed places": lambda images: images[..., ::-1],
        "height and width have changed places": lambda images: images.transpose(0, 2, 1, 3),
        "the pictures are upside down": lambda images: images[:, ::-1],
        "the pictures are mirrored": lambda images: images[:, :, ::-1],
        "black and white have changed places": lambda images: 255 - images,
    }
    before = _far(pictures, wanted)
    for words, arrange in arranged.items():
        other = arrange(pictures)
        if other.shape == wanted.shape and _far(other, wanted) <= min(_NEAR_LEVELS, before / 4):
            return words
    return None


def _labels(probes: Probes, runner: Runner) -> str | None:
    field = runner.signature.field(Role.LABEL)
    if field is None or field.maximum is None:
        return None
    inputs = {name: values[:_TRIED] for name, values in probes.inputs.items()}
    count = int(field.maximum) + 1
    for step, words in ((1, "before"), (-1, "after")):
        moved = {**inputs, field.name: (inputs[field.name] + step) % count}
        try:
            made = runner.run(moved)[runner.signature.output.name]
        except LithoError:
            return None
        # At the end of the row the label that would be needed does not exist.
        inside = (inputs[field.name] + step == moved[field.name]).nonzero()[0]
        if len(inside) and _far(made[inside], probes.images[inside]) <= _NEAR_LEVELS:
            return f"every label gives the picture of the one {words} it: labels are shifted by one"
    return None
