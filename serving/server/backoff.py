"""Growing delays between attempts, with some chance in them, and a limit on how many may fail."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable

__all__ = ["Attempts", "Backoff"]

_JITTER = 0.2


class Backoff:
    """Delays that double from one failure to the next, each changed at random by up to a fifth.

    Args:
        first_seconds: the first delay.
        longest_seconds: no delay is longer but for chance.
    """

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first, self._longest = first_seconds, longest_seconds
        self._failures = 0

    def next(self) -> float:
        """The delay after one more failure, in seconds."""
        delay = min(self._longest, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        # Servers that failed together must not come back together.
        return delay * random.uniform(1 - _JITTER, 1 + _JITTER)

    def reset(self) -> None:
        """All is well: the next delay is the first again."""
        self._failures = 0


class Attempts:
    """Counts attempts in a window of time.

    Args:
        most: attempts that are allowed in the window.
        window_seconds: its length.
        clock: seconds that never go back.
    """

    def __init__(self, most: int, window_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._window, self._clock = most, window_seconds, clock
        self._times: deque[float] = deque()

    def allow(self) -> bool:
        """Whether one more attempt is allowed; if so, it counts."""
        now = self._clock()
        while self._times and now - self._times[0] > self._window:
            self._times.popleft()
        if len(self._times) >= self._most:
            return False
        self._times.append(now)
        return True

    @property
    def count(self) -> int:
        """Attempts in the window."""
        return len(self._times)
