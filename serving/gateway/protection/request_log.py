"""The log of a gateway: lines are written by a thread of their own, so that a slow reader delays no request."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from typing import TextIO

from ...server.events import Event, Level, Log, LogFormat

__all__ = ["RequestLog", "where_of"]

MOST_WAITING = 10_000
"""Lines that wait for a reader who does not read; further ones are lost, and counted."""

_PAUSE_SECONDS = 0.02
_MOST_TOGETHER = 256


class RequestLog:
    """Writes events to a stream, in order, without waiting for it.

    Args:
        stream: open text stream.
        form: "text", or "json" for one document a line.
        level: "info" for every request, "warning" for refused and failed ones, "error" for failed ones.

    Attributes:
        documents: whether what an event has beside its message is written too.
        lost: events that could not be written.
    """

    def __init__(self, stream: TextIO, form: LogFormat = "text", level: Level = "info") -> None:
        self._log, self.documents = Log(stream, form), form == "json"
        self._levels = {
            "info": {"info", "warning", "error"},
            "warning": {"warning", "error"},
            "error": {"error"},
        }[level]
        self._waiting: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._dropped = 0
        self._thread: threading.Thread | None = None

    @property
    def lost(self) -> int:
        """Events that could not be written."""
        return self._dropped + self._log.lost

    def writes(self, level: Level) -> bool:
        """Whether events of this level are written: others need not be made."""
        return level in self._levels

    def __call__(self, event: Event) -> None:
        """Write an event soon."""
        if not self.writes(event.level):
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="litho-log", daemon=True)
            self._thread.start()
        if self._waiting.qsize() < MOST_WAITING:
            self._waiting.put(event)
        else:
            self._dropped += 1

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, for at most so long; later events start the thread again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join(seconds)

    def handler(self) -> logging.Handler:
        """A handler for what libraries log from "warning" on: their words, but nothing of an error except its type."""
        return _Handler(self)

    def _write(self) -> None:
        events: list[Event] = []
        while (event := self._waiting.get()) is not None:
            events.append(event)
            last = self._waiting.empty()
            if last or len(events) == _MOST_TOGETHER:
                self._log(*events)
                events.clear()
            if last:
                # A thread that wakes for each line takes the interpreter from requests each time.
                time.sleep(_PAUSE_SECONDS)
        if events:
            self._log(*events)


def where_of(error: BaseException) -> str:
    """Where an error was raised, such as "work.py:120": its message may hold what a client sent."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"


_SAID_BY_US = "Cancel %s running task"
"""What uvicorn says when a drain took too long."""


class _Handler(logging.Handler):
    def __init__(self, log: RequestLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, asyncio.CancelledError) or str(record.msg).startswith(_SAID_BY_US):
            return
        cause = "" if error is None else f"{type(error).__name__} at {where_of(error)}"
        message = str(record.msg).splitlines()[0] if record.msg else ""  # its arguments are data of clients
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        self._log(Event("library", message, level, "", cause, {"logger": record.name}))
