"""Enters events in an audit log from a server that cannot wait for the disk: a thread writes what was added.

Events of a tenth of a second are written and flushed together; a server that is killed loses at most those. While the
log cannot be written, `failing` says why, and the writer tries again every second with all that it holds: a server
that asks `failing` before it starts work does nothing that is not entered.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from ...errors import AuditError
from .audit_log import AuditLog, Event

__all__ = ["AuditWriter"]

TOGETHER_SECONDS = 0.1
AGAIN_SECONDS = 1.0
MOST_WAITING = 100_000
"""Events in memory; more count as a failing log."""

MOST_TOGETHER = 10_000


class AuditWriter:
    """Adds events to an audit log from a thread of its own.

    Args:
        log: the audit log, which is checked at once.
        failed: called with a reason when the log cannot be written any more, and with "" when it can again.

    Raises:
        AuditError: the log cannot be written, or lost lines.
    """

    def __init__(self, log: AuditLog, failed: Callable[[str], None] = lambda reason: None) -> None:
        log.check()
        self._log, self._failed = log, failed
        self._waiting: deque[Event] = deque()
        self._refused = 0
        self._reason = ""
        self._something, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="litho-audit", daemon=True)

    @property
    def failing(self) -> str:
        """Why the log cannot be written at the moment; empty if it can."""
        if len(self._waiting) >= MOST_WAITING:
            return "more events wait than are written"
        return self._reason

    def start(self) -> None:
        """Start to write."""
        self._thread.start()

    def add(self, event: Event) -> None:
        """Enter an event soon; this never waits."""
        self._waiting.append(event)
        self._something.set()

    def count_refused(self) -> None:
        """Count a request without a valid key: those of a second become one entry, so that nobody fills the disk."""
        self._refused += 1
        self._something.set()

    def close(self) -> None:
        """Write what was added, and end the thread; what cannot be written then is lost.

        Closing a writer that was not started is fine.
        """
        self._ended.set()
        self._something.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        entered, soonest = 0, 0.0
        while True:
            self._something.wait()
            self._something.clear()
            ended, refused = self._ended.is_set(), self._refused - entered
            if refused and (ended or time.monotonic() >= soonest):
                self.add(Event("requests-refused", {"count": refused, "reason": "no valid key"}))
                entered, soonest = entered + refused, time.monotonic() + AGAIN_SECONDS
            written = self._write()
            left = self._refused > entered or not written
            if ended and (not written or not left):
                return
            if left:
                self._something.set()
            self._ended.wait(TOGETHER_SECONDS if written else AGAIN_SECONDS)

    def _write(self) -> bool:
        """Write what waits; whether all of it is written."""
        while self._waiting:
            together = [self._waiting[at] for at in range(min(MOST_TOGETHER, len(self._waiting)))]
            try:
                self._log.append(*together)
            except AuditError as error:
                if not self._reason:
                    self._failed(str(error))
                self._reason = str(error)
                return False
            for _ in together:
                self._waiting.popleft()
        if self._reason:
            self._reason = ""
            self._failed("")
        return True
