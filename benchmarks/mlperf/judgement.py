"""The pictures that LoadGen logged, judged by the parity gate of the served precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...bundle.manifest import Verdict
from ...bundle.probes import USUAL
from ...parity.gate import Gate, Replay, judge
from .documents import Accuracy
from .samples import Samples

__all__ = ["Logged", "judge_all", "judge_some"]

Logged = Sequence[tuple[int, NDArray[np.uint8] | None]]
"""Number of a sample and its picture; None for an answer that is no picture of the right size."""


def judge_all(samples: Samples, logged: Logged, gate: Gate) -> Accuracy:
    """Judge the log of accuracy mode, which has a picture of every sample.

    Args:
        samples: that were asked for.
        logged: the log.
        gate: of the served precision.
    """
    if problem := _incomplete(samples, logged):
        return Accuracy(pictures=len(logged), verdict=Verdict(status="failed", reason=problem))
    return Accuracy(pictures=len(logged), verdict=judge(_whole(samples, logged), gate))


def judge_some(samples: Samples, logged: Logged, everything: Logged, gate: Gate) -> Accuracy:
    """Judge pictures that LoadGen logged at random under load; a sample may be among them several times.

    Args:
        samples: that were asked for.
        logged: the log of performance mode.
        everything: the log of accuracy mode: gates that allow a share of the pictures to differ speak of whole banks.
        gate: of the served precision.
    """
    count = len(logged)
    if not count:
        return Accuracy(pictures=0, verdict=Verdict(status="failed", reason="LoadGen logged no picture"))
    if lost := sum(picture is None for _, picture in logged):
        reason = f"{lost} of {count} answers are no pictures of shape {samples.shape}"
        return Accuracy(pictures=count, verdict=Verdict(status="failed", reason=reason))
    if _incomplete(samples, everything):
        reason = "accuracy mode has no picture of some samples to compare with"
        return Accuracy(pictures=count, verdict=Verdict(status="failed", reason=reason))
    replays = _whole(samples, everything)
    for bank in samples.banks:
        found = [
            (at, picture) for number, picture in logged for of, at in [samples.bank_of(number)] if of is bank
        ]
        if found:
            numbers = tuple(at for at, _ in found)
            pictures = bank.strided(np.stack([picture for _, picture in found if picture is not None]))
            replays.append(Replay(pictures, bank.images[list(numbers)], 0, _name(bank.name), numbers))
    return Accuracy(pictures=count, verdict=judge(replays, gate))


def _incomplete(samples: Samples, logged: Logged) -> str:
    """What is missing in a log that should hold every sample once; empty if nothing is."""
    if sorted(number for number, _ in logged) != list(range(len(samples))):
        return f"LoadGen logged {len(logged)} answers to {len(samples)} samples"
    lost = sum(picture is None for _, picture in logged)
    return f"{lost} of {len(samples)} answers are no pictures of shape {samples.shape}" if lost else ""


def _whole(samples: Samples, logged: Logged) -> list[Replay]:
    pictures = np.stack(
        [picture for _, picture in sorted(logged, key=lambda one: one[0]) if picture is not None]
    )
    replays, start = [], 0
    for bank in samples.banks:
        part = pictures[start : start + len(bank.images)]
        replays.append(Replay(bank.strided(part), bank.images, 0, _name(bank.name)))
        start += len(bank.images)
    return replays


def _name(bank: str) -> str:
    return "" if bank == USUAL else bank
