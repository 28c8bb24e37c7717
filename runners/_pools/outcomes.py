"""One piece of work, tried until it is done or further tries are no use; how its end travels between processes.

Exceptions of libraries often cannot be pickled, or need their library to be read: what travels is the name of litho's
own error and its line.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ... import errors
from ...errors import EndpointError, LithoError, RuntimeCrash, StorageError
from .base import Advance, Make

__all__ = ["MOST_TRIES", "Failed", "Outcome", "attempt", "failed"]

MOST_TRIES = 3
"""Tries of a piece by one worker."""

_PAUSES = (0.5, 2.0)
_MAY_PASS = (EndpointError, RuntimeCrash, StorageError, OSError)
"""Errors after which the same piece may succeed; all others come again."""


@dataclass(frozen=True)
class Failed:
    """A piece that could not be done.

    Args:
        kind: name of the error's class in `litho.errors`.
        message: one line.
        exit_code: of that error.
    """

    kind: str
    message: str
    exit_code: int = 1

    def error(self, where: str = "") -> LithoError:
        """The error, ready to be raised.

        Args:
            where: it happened, such as "node gpu-3", for the message.
        """
        found = getattr(errors, self.kind, LithoError)
        message = f"{where}: {self.message}" if where else self.message
        try:
            return found(message)
        except TypeError:  # a class that makes its message of several values
            return (errors.UsageError if self.exit_code == errors.UsageError.exit_code else LithoError)(
                message
            )


@dataclass(frozen=True)
class Outcome:
    """How a piece ended.

    Args:
        answer: of the piece; None if it failed.
        retries: further tries that it took.
        worker: that did it, by a name of its own.
        where: the machine, for messages.
        failed: why it failed.
    """

    answer: Any = None
    retries: int = 0
    worker: str = ""
    where: str = ""
    failed: Failed | None = None


def failed(error: BaseException) -> Failed:
    """What travels of an error."""
    text = " ".join(str(error).split())
    if isinstance(error, LithoError):
        return Failed(type(error).__name__, text, error.exit_code)
    if isinstance(error, OSError) and error.strerror:
        return Failed("StorageError", f"{error.strerror}{f': {error.filename}' if error.filename else ''}")
    return Failed("LithoError", f"{type(error).__name__}: {text}" if text else type(error).__name__)


def attempt(
    make: Make, number: int, advance: Advance, pause: Callable[[float], None] = time.sleep
) -> tuple[Any, int]:
    """Do a piece, again if it failed for a reason that may pass.

    Returns:
        The answer, and how many further tries it took.

    Raises:
        LithoError: it failed; so do errors of libraries, as they are.
    """
    for tried in range(MOST_TRIES):
        try:
            return make(number, advance), tried
        except _MAY_PASS:
            if tried == MOST_TRIES - 1:
                raise
            pause(_PAUSES[tried])
    raise AssertionError("every turn returns or raises")
