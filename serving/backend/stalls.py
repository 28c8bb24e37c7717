"""The end of a process that stood still while Triton waited for its answers.

Triton waits for the answers of a batch one second at a time, by the time of day. If a second passes without answers
and without a sign of life from the process, Triton answers the batch with an error and frees its memory. But the
process may only have stood still: its machine was paused or moved, its container frozen, the clock set forward. Then
it goes on with freed memory, and Triton takes its late answers for those of the next batch: pictures of other
requests, or a crash of the whole server. No option of Triton changes that (seen in 24.10). So a process that notices
a stall with a batch in hand ends before it answers, and is replaced as any instance that died.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from types import TracebackType

from .periodic import Periodic

__all__ = ["STALLED", "StallGuard"]

STALLED = 75
"""Exit code of a process that ended itself; EX_TEMPFAIL of sysexits.h, "try again"."""

_LOOK_SECONDS = 0.1
_STALL_SECONDS = 0.6
"""Longest time between two looks that is no stall. Triton sees a sign of life every 0.3 s and gives up after a second
without one, so a stall that it may have noticed lasts 0.7 s or more."""

_SETTLE_SECONDS = 0.05
"""For Triton's own thread in this process, which gives a sign of life when the stall ends: a process that ends while
it holds the lock for that ends the server (`lock_exception`)."""


class StallGuard:
    """Encloses the work on a batch, from the call of `execute` to its return; one batch at a time.

        >>> with guard:
        ...     return answer(requests)

    A stall that ends before the batch starts is not its own: Triton usually begins to wait for it afterwards. What
    Triton does in this process before and after the call is not covered. Nor is the first batch: it may load
    libraries, which can hold up all threads of Python.

    Args:
        clock: the time of day in seconds, which Triton waits by.
        end: called with the seconds of the stall, in place of answers; by default it ends the process.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, end: Callable[[float], None] | None = None
    ) -> None:
        self._clock, self._end = clock, end or _end
        self._lock = threading.Lock()
        self._looked = clock()
        self._stall_ended, self._stall_seconds = float("-inf"), 0.0
        self._began = float("inf")
        self._is_first = True
        self._looks = Periodic(self.look, _LOOK_SECONDS, lambda _: None, "litho-stalls")

    def look(self) -> float:
        """Notice a stall that ended since the last look, and return the time; called every 0.1 s."""
        with self._lock:
            now = self._clock()
            if now - self._looked > _STALL_SECONDS:
                self._stall_ended, self._stall_seconds = now, now - self._looked
            self._looked = now
            return now

    def __enter__(self) -> None:
        self._began = self.look()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.look()
        if self._stall_ended > self._began and not self._is_first:
            self._end(self._stall_seconds)
        self._is_first = False

    def close(self) -> None:
        """End the looks."""
        self._looks.close()


def _end(seconds: float) -> None:
    words = (
        f"litho: this process stood still for {seconds:.1f} s with a batch in hand; it ends, because Triton may have"
        " given the batch up and would take these answers for those of another one\n"
    )
    time.sleep(_SETTLE_SECONDS)
    os.write(2, words.encode())  # not Triton's log: its memory may be the one that was freed
    os._exit(STALLED)  # at once: nothing may be sent, and whatever ends in order would send
