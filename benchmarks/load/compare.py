"""Compare two things on a machine whose speed drifts: measure them in turns and take the ratio pair by pair."""

from __future__ import annotations

from collections.abc import Callable

from ...errors import UsageError
from .documents import Pair
from .windows import Window

__all__ = ["compare"]


def compare(first: Callable[[], Window], second: Callable[[], Window], *, pairs: int = 9) -> tuple[Pair, ...]:
    """Measure `first` and `second` in turns.

    A slow change of the machine's speed meets both members of a pair nearly alike, and the order within a pair
    alternates (A B, B A, A B, ...), so that what is left of it favours neither.

    Args:
        first, second: each call measures one window.
        pairs: how many windows of each.

    Returns:
        The pairs in the order they were measured; `Comparison` has their median and range.

    Raises:
        UsageError: no pair is asked for.
    """
    if pairs < 1:
        raise UsageError(f"a comparison was given {pairs} pairs; it needs at least 1")
    measured: list[Pair] = []
    for turn in range(pairs):
        if turn % 2:
            later = second()
            measured.append(Pair(first=first(), second=later))
        else:
            earlier = first()
            measured.append(Pair(first=earlier, second=second()))
    return tuple(measured)
