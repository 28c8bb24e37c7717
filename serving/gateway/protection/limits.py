"""How often and how many at a time: rates and concurrency, counted for each key or client address.

A rate is the generic cell rate algorithm (ITU-T I.371): one time stamp for each client says when its allowance is full
again, and so the exact moment of the next allowed request, for the header Retry-After. A clock that is set back or
forward changes nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Concurrency", "Rate", "Refused"]

_MOST_CLIENTS = 65_536
"""Clients that are remembered; beyond it those whose allowance is full are forgotten, which changes nothing."""


@dataclass(frozen=True)
class Refused:
    """A request is over a limit.

    Args:
        reason: "requests", "pictures", "concurrency" or "bodies".
        allowed: the limit.
        wait_seconds: when another try may succeed, more than 0.
    """

    reason: str
    allowed: int
    wait_seconds: float

    @property
    def retry_after(self) -> str:
        """For the header Retry-After: whole seconds, rounded up."""
        return str(max(1, math.ceil(self.wait_seconds)))


class Rate:
    """So many a minute for each client: all of a minute's allowance at once, then one by one as time passes.

    Args:
        reason: what is counted, for `Refused`.
        clock: gives seconds, like `time.monotonic`.
    """

    def __init__(self, reason: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._reason, self._clock = reason, clock
        self._full_at: dict[str, float] = {}

    def take(self, client: str, per_minute: int, count: int = 1) -> Refused | None:
        """Take some of a client's allowance, or nothing if that is too much.

        Args:
            client: id of a key, or an address.
            per_minute: its limit.
            count: how many.

        Returns:
            None if it was taken. More than a whole minute's allowance is refused for ever: the wait is a minute.
        """
        now = self._clock()
        each = 60.0 / per_minute
        full_at = max(self._full_at.get(client, now), now) + each * count
        if count > per_minute:
            return Refused(self._reason, per_minute, 60.0)
        # A sum of many small shares is not exact; a nanosecond refuses nobody.
        if (wait := full_at - now - 60.0) > 1e-9:
            return Refused(self._reason, per_minute, wait)
        if client not in self._full_at and len(self._full_at) >= _MOST_CLIENTS:
            self._forget(now)
        self._full_at[client] = full_at
        return None

    def _forget(self, now: float) -> None:
        self._full_at = {client: at for client, at in self._full_at.items() if at > now}
        while len(self._full_at) >= _MOST_CLIENTS:  # all of them came within the last minute
            del self._full_at[next(iter(self._full_at))]


class Concurrency:
    """So many at a time for each client.

    Args:
        reason: what is counted, for `Refused`.

    >>> concurrency = Concurrency()
    >>> concurrency.enter("key_3f9c2a7d10b4", 1) is None
    True
    >>> concurrency.enter("key_3f9c2a7d10b4", 1).reason
    'concurrency'
    >>> concurrency.leave("key_3f9c2a7d10b4")
    """

    def __init__(self, reason: str = "concurrency") -> None:
        self._reason = reason
        self._running: dict[str, int] = {}

    @property
    def total(self) -> int:
        """Requests of all clients at the moment."""
        return sum(self._running.values())

    def enter(self, client: str, most: int) -> Refused | None:
        """Count a request, which must `leave` again, unless there are too many already."""
        running = self._running.get(client, 0)
        if running >= most:
            return Refused(self._reason, most, 1.0)
        self._running[client] = running + 1
        return None

    def leave(self, client: str) -> None:
        """A request has ended."""
        left = self._running[client] - 1
        if left:
            self._running[client] = left
        else:
            del self._running[client]
