"""What happens to a supervised server, in lines: for a person, or as JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TextIO, TypeAlias

from ..moments import now

__all__ = ["Event", "Level", "Listener", "Log", "LogFormat"]

Level: TypeAlias = Literal["info", "warning", "error"]
LogFormat: TypeAlias = Literal["text", "json"]


@dataclass(frozen=True)
class Event:
    """Something that happened to a server.

    Args:
        event: what it is, in one word such as "server-died"; it never changes, so that programs can look for it.
        message: the same for a person, one line.
        level: "info", "warning" or "error".
        model: name of the model that it concerns.
        cause: why it happened.
        values: further figures, such as {"seconds": 1.5}.
        time: ISO 8601 in UTC.
    """

    event: str
    message: str
    level: Level = "info"
    model: str = ""
    cause: str = ""
    values: dict[str, float | str] = field(default_factory=dict)
    time: str = field(default_factory=now)

    def to_text(self) -> str:
        """One line for a person."""
        line = f"{self.time} {self.level:7} {self.message}"
        return f"{line}: {self.cause}" if self.cause else line

    def to_json(self) -> str:
        """One JSON document in one line, always with time, level, event, message, model and cause."""
        fixed = {
            "time": self.time,
            "level": self.level,
            "event": self.event,
            "message": self.message,
            "model": self.model,
            "cause": self.cause,
        }
        return json.dumps({**fixed, **self.values})


Listener: TypeAlias = Callable[[Event], object]


class Log:
    """Writes events to a stream; a full disk or a closed pipe does not end the server.

    Args:
        stream: open text stream.
        form: "text", or "json" for one document a line.

    Attributes:
        lost: events that could not be written.
    """

    def __init__(self, stream: TextIO, form: LogFormat = "text") -> None:
        self._stream, self._json = stream, form == "json"
        self._lock = threading.Lock()
        self.lost = 0

    def __call__(self, *events: Event) -> None:
        """Write events, at once where there are several."""
        lines = [event.to_json() if self._json else event.to_text() for event in events]
        with self._lock:
            try:
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()
            except (OSError, ValueError):  # also a stream that was closed
                self.lost += len(lines)
