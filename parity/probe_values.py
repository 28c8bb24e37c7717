"""The values that fields have in the probes, by role: ordinary ones with edge cases among them, and extremes.

Of the usual probes, each has at most one ranged number at an end of its range, so that a fault there shows alone. The
extremes combine the ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..signature.fields import MAX_TEXT_BYTES, Field, Role
from ..signature.noise import MAX_SEED

__all__ = [
    "MOST_CHOICES",
    "choices",
    "further_seeds",
    "has_extremes",
    "is_ranged",
    "put_edges",
    "put_extremes",
    "put_ranged",
]

MOST_CHOICES = 4096
"""Labels up to which every one is tried; of more, as many spread evenly."""

_FEW_CHOICES = 64
"""Values up to which every one of an integer condition is tried."""

_PRIME = 2**31 - 1
"""The noise is computed modulo this number."""

_NOTORIOUS_SEEDS = (
    (0, 1, _PRIME, 2**32, 2**53 + 1, MAX_SEED)
    + (_PRIME - 1, 2**31, 2**32 - 1, 2**32 + 1, 2 * _PRIME, _PRIME**2)
    + (255, 256, 2**16, 2**24 + 1, 2**53, 2**62)
)
"""Where integers of 8, 16, 24, 31, 32, 53 and 63 bits end, and where the noise's arithmetic starts again."""

_FURTHER_SEEDS = (*range(32, 41), *(2**bits + bits % 3 - 1 for bits in range(8, 63)))
"""Small seeds, and of every power of two the number below, itself or the one above in turn."""

_FLAT = np.array([0, 255], np.uint8).reshape(-1, 1, 1, 1)
"""All black and all white."""

_PROMPTS = (
    "",
    "a large red circle above a small blue square",
    "a",
    "маленький синий квадрат под большим красным кругом",
    "一个红色的大圆圈",
    "دائرة حمراء كبيرة",
    "🔴 above 🟦",
    "A LARGE RED CIRCLE, above a small blue square!",
    " two  spaces,\ttabs\nand lines ",
    "e\N{COMBINING ACUTE ACCENT}te\N{COMBINING ACUTE ACCENT}",
    "a small green triangle left of a large yellow star " * 20,
)
"""Several scripts, an empty text, white space, and a text longer than any number of tokens."""

_EXTREME_PROMPTS = (
    "a small green triangle left of a large yellow star " * (MAX_TEXT_BYTES // 51),
    "",
    "圆" * (MAX_TEXT_BYTES // 3),
    "e\N{COMBINING ACUTE ACCENT}🔴\t\n" * (MAX_TEXT_BYTES // 9),
)
"""The longest texts that a request may hold, of one, three and several bytes a character; and none."""

_STEPS = (1, 2, 3, 5, 8, 13, 21, 34)

_LARGE = 8.0
"""Extreme values of an unbounded condition are this many times as large as ordinary ones."""

_WIDE = 2.0
"""Extreme latents are this many times as wide as those of a seed."""


def is_ranged(field: Field) -> bool:
    """Whether a field is a number with an end or a default; seeds and labels have values of their own."""
    known = (field.minimum, field.maximum, field.default)
    return (
        field.shape == ()
        and field.dtype in ("INT64", "FP32")
        and field.role not in (Role.SEED, Role.LABEL)
        and known != (None, None, None)
    )


def choices(field: Field) -> NDArray[np.int64]:
    """Values of a field each of which must be tried: all labels, and those of an integer with few; else none."""
    most = {Role.LABEL: MOST_CHOICES, Role.CONDITION: _FEW_CHOICES}.get(field.role, 0)
    if field.dtype != "INT64" or field.shape or field.maximum is None or not most:
        return np.array([], np.int64)
    first, last = int(field.minimum or 0), int(field.maximum)
    if last - first >= most and field.role is not Role.LABEL:
        return np.array([], np.int64)
    return np.unique(np.linspace(first, last, min(most, last - first + 1)).round().astype(np.int64))


def further_seeds(field: Field) -> NDArray[np.int64]:
    """Seeds of the bank of seeds that a field allows, all different."""
    return np.unique(np.clip(_FURTHER_SEEDS, field.minimum, field.maximum))


def put_edges(field: Field, values: NDArray[Any]) -> None:
    """Write edge cases of a field that is no ranged number over the first of its drawn values.

    Args:
        field: of the values.
        values: drawn by the generator's own law, with the batch axis in front.
    """
    match field.role:
        case Role.SEED:
            values[:] = _seeds(len(values), field, values)
        case Role.IMAGE:
            values[: len(_FLAT)] = _FLAT
            values[len(_FLAT)] = _chequered(values[0], white=255)
        case Role.MASK:
            values[: len(_FLAT)] = _FLAT
            values[len(_FLAT)] = _chequered(values[0], white=1)  # any value but 0 is inside the hole
        case Role.PROMPT:
            values[:] = np.resize(np.array(_PROMPTS, dtype=object), len(values))
        case Role.CONDITION if field.shape:
            edges = [0, *_ends(field)] if field.dtype == "FP32" else _ends(field)
            for row, value in enumerate(edges[: len(values)]):
                values[row] = _allowed(field, value)
        case _:
            pass


def _seeds(count: int, field: Field, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """Notorious seeds, 0 to 31, and seeds spread over all orders of magnitude, half of them below 2**31."""
    known = list(dict.fromkeys((*_NOTORIOUS_SEEDS, *range(32))))[:count]
    generator = np.random.default_rng(0)
    low, high = (
        generator.uniform(np.log2(least), np.log2(most), count)
        for least, most in ((41, 2**31), (2**31, MAX_SEED))
    )
    spread = np.exp2(np.stack([low, high], 1).reshape(-1)[: count - len(known)]).astype(np.int64)
    return np.clip(np.concatenate([known, spread]), field.minimum, field.maximum)


def put_ranged(fields: Sequence[Field], drawn: Sequence[NDArray[Any]]) -> None:
    """Write the values of all ranged numbers of the usual probes over the drawn ones.

    In each probe one number has its turn: it is at an end, at its default or between. The others are at their default
    or inside their range.

    Args:
        fields: the ranged numbers.
        drawn: of each field, the values of all probes.
    """
    if not fields:
        return
    count = len(drawn[0])
    # In another order than labels and prompts, which come in turn.
    order = np.random.default_rng(0).permutation(count)
    for position, (field, values) in enumerate(zip(fields, drawn, strict=True)):
        points, inner = _points(field, values), _inner(field, values)
        for row, turn in enumerate(order):
            own, number = turn % len(fields) == position, int(turn) // len(fields)
            values[row] = points[number % len(points)] if own else inner[number % len(inner)]


def _points(field: Field, drawn: NDArray[Any]) -> list[Any]:
    """What a ranged number is in its turns."""
    if field.role is Role.STEPS:
        # Many steps take long: the largest number comes once in two rounds of the others.
        return _within(field, (*_STEPS[:-1], field.maximum or _STEPS[-1], *_STEPS))
    default, *others = _inner(field, drawn)
    return [default, *others, *_ends(field)]


def _inner(field: Field, drawn: NDArray[Any]) -> list[Any]:
    """Ordinary values of a ranged number: its default in every second place, and some inside its range."""
    if field.role is Role.STEPS:
        return _within(field, _STEPS[1:-1])
    between = drawn[:3].tolist()
    if field.minimum is not None and field.maximum is not None:
        span = field.maximum - field.minimum
        between = [field.minimum + span * share for share in (0.5, 0.25, 0.75)]
    if field.dtype == "INT64":
        between = [round(value) for value in between]
    return [
        value
        for other in between
        for value in (between[0] if field.default is None else field.default, other)
    ]


def _within(field: Field, steps: Sequence[int | float]) -> list[Any]:
    return np.clip(steps, field.minimum, field.maximum).tolist()


def _ends(field: Field) -> list[float | int]:
    """Ends of a field's range."""
    least, most = (0, 255) if field.dtype == "UINT8" else (None, None)
    ends = (
        least if field.minimum is None else field.minimum,
        most if field.maximum is None else field.maximum,
    )
    return [end for end in ends if end is not None]


def _allowed(field: Field, value: float) -> float:
    """The allowed number that is nearest to a value."""
    least = value if field.minimum is None else max(value, field.minimum)
    return least if field.maximum is None else min(least, field.maximum)


def has_extremes(fields: Sequence[Field]) -> bool:
    """Whether a request has a field that the usual probes do not take to all its ends."""
    roles = (Role.PROMPT, Role.LATENT, Role.CONDITION)
    return any(is_ranged(field) or field.role in roles for field in fields)


def put_extremes(fields: Sequence[Field], drawn: Sequence[NDArray[Any]]) -> None:
    """Write extremes over drawn values: the ends of all ranged numbers in their combinations, and those of the rest.

    Args:
        fields: of a request.
        drawn: of each field, the values of all probes.
    """
    ended = (Role.SEED, Role.LABEL)
    numbers = [
        (field, values)
        for field, values in zip(fields, drawn, strict=True)
        if is_ranged(field) or field.role in ended
    ]
    count = len(drawn[0])
    for row in range(count):
        # The combinations are numbered: bit k says at which end number k is. Where there are too many, some come.
        combination = round(row * (2 ** len(numbers) - 1) / max(1, count - 1))
        for position, (field, values) in enumerate(numbers):
            ends = _ends(field) or [field.default]
            values[row] = ends[(combination >> position & 1) % len(ends)]
    for field, values in zip(fields, drawn, strict=True):
        if not is_ranged(field) and field.role not in ended:
            _put_extremes(field, values)


def _put_extremes(field: Field, values: NDArray[Any]) -> None:
    match field.role:
        case Role.PROMPT:
            values[:] = np.resize(np.array(_EXTREME_PROMPTS, dtype=object), len(values))
        case Role.LATENT:
            values *= np.float32(_WIDE)
        case Role.CONDITION:
            for row, end in zip(range(len(values)), cycle(_ends(field) or [None]), strict=False):
                values[row] = values[row] * _LARGE if end is None else end
        case _:
            put_edges(field, values)


def _chequered(picture: NDArray[np.uint8], *, white: int) -> NDArray[np.uint8]:
    """Alternating pixels of 0 and `white`, UINT8 of the shape of `picture`, (height, width, channels)."""
    rows, columns, _ = np.indices(picture.shape)
    return np.where((rows + columns) % 2 == 1, np.uint8(white), np.uint8(0))
