"""When a failed request is sent again: a picture depends on its inputs alone, so that asking twice changes nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DeadlineExceeded, EndpointBusy, EndpointError, EndpointUnavailable, UsageError
from ...runners.triton import StreamedPicture
from ...signature import Signature
from ...signature.fields import Role

__all__ = ["NO_RETRIES", "Attempts", "Retries", "Unfinished"]


@dataclass(frozen=True)
class Retries:
    """How often and how fast a request is sent again while its deadline lasts.

    The n-th wait is `first_seconds` times 2^(n - 1), at most `most_seconds`, times a random factor from 0.5 to 1, so
    that clients of a server that returns do not all come at the same moment.

    Args:
        tries: most tries of one request, the first included; 1 for no second one, None for no limit but the deadline.
        first_seconds: the first wait, at least 0.
        most_seconds: the longest wait.
        busy: also after `EndpointBusy`; by default only after `EndpointUnavailable`, as more requests make a busy
            server busier.

    Raises:
        UsageError: a number is out of range.
    """

    tries: int | None = None
    first_seconds: float = 0.05
    most_seconds: float = 2.0
    busy: bool = False

    def __post_init__(self) -> None:
        if self.tries is not None and self.tries < 1:
            raise UsageError(f"tries was given {self.tries}; expected a whole number from 1")
        if not 0 <= self.first_seconds <= self.most_seconds < float("inf"):
            raise UsageError(
                f"first_seconds and most_seconds were given {self.first_seconds:g} and {self.most_seconds:g};"
                " expected 0 or more, and the second not below the first"
            )

    def wait_seconds(self, tried: int) -> float:
        """How long to wait after so many tries, 1 or more."""
        longest = min(self.first_seconds * 2.0 ** min(tried - 1, 30), self.most_seconds)
        return longest * random.uniform(0.5, 1.0)


NO_RETRIES = Retries(tries=1)


class Attempts:
    """The tries of one request within its deadline.

    Args:
        retries: how often and how fast.
        most_seconds: from now to the deadline.
        clock: gives seconds, like `time.monotonic`.
    """

    def __init__(
        self, retries: Retries, most_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._retries, self._most_seconds, self._clock = retries, most_seconds, clock
        self._deadline = clock() + most_seconds
        self.tried = 0

    @property
    def left_seconds(self) -> float:
        """Until the deadline, at least a millisecond."""
        return max(self._deadline - self._clock(), 1e-3)

    def wait_after(self, error: Exception) -> float | None:
        """Seconds to wait before the next try; None if there is to be none. Counts a try."""
        self.tried += 1
        again = isinstance(error, EndpointUnavailable) or (
            self._retries.busy and isinstance(error, EndpointBusy)
        )
        if not again or self.tried == self._retries.tries:
            return None
        wait = self._retries.wait_seconds(self.tried)
        return wait if wait < self._deadline - self._clock() else None

    def last(self, error: Exception, url: str) -> Exception:
        """The error to raise in the end, for the whole time and all tries."""
        often = f" (tried {self.tried} times)" if self.tried > 1 else ""
        if isinstance(error, DeadlineExceeded):
            return DeadlineExceeded(f"{url} did not answer within {self._most_seconds:g} s{often}")
        return type(error)(f"{error}{often}") if often and isinstance(error, EndpointError) else error


class Unfinished:
    """The rows that a stream has not given yet: after a failure only these are asked for again.

    Args:
        signature: of the generator.
        inputs: of the request, checked.
        first: number of the first row, for the caller.
    """

    def __init__(self, signature: Signature, inputs: Mapping[str, NDArray[Any]], first: int = 0) -> None:
        self._inputs, self._first = dict(inputs), first
        rows = len(next(iter(self._inputs.values())))
        self._left = list(range(rows))
        self._asked = self._left
        self._shown = [0] * rows
        steps = signature.field(Role.STEPS)
        self._steps = None if steps is None else self._inputs[steps.name]

    def inputs(self) -> dict[str, NDArray[Any]]:
        """The inputs of the missing rows; `accept` takes the answers to them."""
        self._asked = list(self._left)
        return {name: np.ascontiguousarray(array[self._asked]) for name, array in self._inputs.items()}

    def accept(self, picture: StreamedPicture) -> StreamedPicture | None:
        """The picture with the caller's row; None for what the caller has seen."""
        row = self._asked[picture.row]
        if picture.step <= self._shown[row]:
            return None
        self._shown[row] = picture.step
        if picture.finished:
            self._left.remove(row)
        return replace(picture, row=self._first + row)
