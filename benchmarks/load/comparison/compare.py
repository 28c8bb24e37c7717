"""Compare two things on a machine whose speed drifts: measure them in turns and take the ratio pair by pair."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from ....errors import UsageError
from ....export.timing import in_turns
from ..documents.result import Pair
from ..documents.windows import Window

__all__ = ["compare"]


def compare(first: Callable[[], Window], second: Callable[[], Window], *, pairs: int = 9) -> tuple[Pair, ...]:
    """Measure `first` and `second` in turns.

    Both windows of a pair see nearly the same speed of the machine, and the order alternates (A B, B A, A B, ...),
    so that a steady drift favours neither.

    Args:
        first, second: each call measures one window.
        pairs: how many windows of each.

    Returns:
        The pairs in the order in which they were measured; `Comparison` has their median and range.

    Raises:
        UsageError: `pairs` is below 1.
    """
    if pairs < 1:
        raise UsageError(f"pairs was given {pairs}; it takes 1 or more")
    windows = in_turns({"first": first, "second": second}, alternate=True)
    return tuple(Pair(**pair) for pair in islice(windows, pairs))
