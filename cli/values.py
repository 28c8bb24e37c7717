"""Values of options that are more than one word or number."""

from __future__ import annotations

import math
from typing import Literal

from ..errors import UsageError

__all__ = ["fixed_inputs", "numbers", "pairs", "parse_size", "positive", "rates", "words"]

_MOST_DIGITS = 18
"""Numbers of so many digits fit INT64; Python itself refuses to read thousands of them."""


def pairs(items: list[str], option: str) -> dict[str, str]:
    """NAME=VALUE items of a repeatable option.

    Raises:
        UsageError: an item has no "=".
    """
    for item in items:
        if "=" not in item:
            raise UsageError(f"{option} was given {item!r}; expected NAME=VALUE")
    return dict(item.split("=", 1) for item in items)


def fixed_inputs(items: list[str]) -> dict[str, int]:
    """NAME=VALUE items of --fix.

    Raises:
        UsageError: an item has no "=", or a value is not a whole number.
    """
    values = pairs(items, "--fix")
    for name, value in values.items():
        if not _is_whole(value):
            raise UsageError(f"--fix was given {name}={value}; expected a whole number, such as label=3")
    return {name: int(value) for name, value in values.items()}


def parse_size(text: str) -> tuple[int, int] | Literal["free"]:
    """The value of --size: "free", or height and width in pixels.

    Raises:
        UsageError: it is neither.
    """
    if text == "free":
        return "free"
    height, _, width = text.partition("x")
    if not (_is_whole(height) and _is_whole(width)):
        raise UsageError(
            f"--size was given {text!r}; expected free, or HEIGHTxWIDTH in pixels, such as 96x128"
        )
    return int(height), int(width)


def words(text: str) -> list[str]:
    """Words separated by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def numbers(text: str | None, option: str) -> list[int] | None:
    """Whole numbers separated by commas; None if the option was not given.

    Raises:
        UsageError: something else was given.
    """
    if text is None:
        return None
    if not all(map(_is_whole, words(text))):
        raise UsageError(f"{option} was given {text!r}; expected whole numbers separated by commas")
    return [int(word) for word in words(text)]


def rates(text: str | None, option: str) -> list[float] | None:
    """Numbers above 0, separated by commas; None if the option was not given.

    Raises:
        UsageError: something else was given.
    """
    if text is None:
        return None
    try:
        found = [float(word) for word in words(text)]
    except ValueError:
        found = []
    if not found or not all(0 < value < math.inf for value in found):
        raise UsageError(f"{option} was given {text!r}; expected numbers above 0, separated by commas")
    return found


def positive(value: float | None, option: str) -> None:
    """Refuse a number that is not above zero.

    Raises:
        UsageError: it is zero, negative, infinite or not a number.
    """
    if value is not None and not 0 < value < math.inf:
        raise UsageError(f"{option} was given {value:g}; expected a number above 0")


def _is_whole(text: str) -> bool:
    return text.isdecimal() and len(text) <= _MOST_DIGITS
