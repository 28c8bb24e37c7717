"""What became of each request, kept in arrays, and the few numbers that the parent may read at any time."""

from __future__ import annotations

import json
import mmap
from array import array
from pathlib import Path

__all__ = [
    "CONTROL_WORDS",
    "ENDED",
    "EVERY",
    "FAILED",
    "READY",
    "START",
    "STARTED",
    "STOP",
    "Book",
    "Control",
]

CONTROL_WORDS = 8
READY, START, STOP, STARTED, ENDED, FAILED, EVERY = range(7)
"""Places of `Control`; the parent writes START, STOP and EVERY, the process all others.

Of EVERY requests one is a picked one; 0 for none."""

_NEVER = float("nan")


class Control:
    """Eight numbers that both processes see: a mapped file.

    Args:
        path: of the file, which exists.

    Attributes:
        words: INT64; START is a reading of the clock in nanoseconds, 0 until it is known.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), CONTROL_WORDS * 8)
        self.words = memoryview(self._map).cast("q")

    def close(self) -> None:
        """Unmap the file."""
        self.words.release()
        self._map.close()


class Book:
    """The account of all requests of a process; the number of a request is its place.

    Args:
        words: of `Control`.
        most_picked_bytes: answers kept at most.

    Attributes:
        picks: number and kind of each picked request.
    """

    def __init__(self, words: memoryview, most_picked_bytes: int) -> None:
        self._words, self._left = words, most_picked_bytes
        self.scheduled, self.began, self.ended = array("d"), array("d"), array("d")
        self.preview, self.failed = array("d"), array("i")
        self._messages: dict[str, int] = {}
        self.picks: list[tuple[int, int]] = []
        self._picked: list[tuple[int, int, bytes]] = []
        self.count = self.ended_count = 0

    def begin(self, scheduled: float, began: float) -> int:
        """Note that a request leaves; returns its number."""
        number = self.count
        self.scheduled.append(scheduled)
        self.began.append(began)
        self.ended.append(_NEVER)
        self.preview.append(_NEVER)
        self.failed.append(-1)
        self.count = number + 1
        self._words[STARTED] = number + 1
        return number

    def end(self, number: int, moment: float, error: str | None) -> None:
        """Note its answer, or why there is none."""
        self.ended[number] = moment
        self.ended_count += 1
        if error is not None:
            self.failed[number] = self._messages.setdefault(error, len(self._messages))
            self._words[FAILED] += 1
        self._words[ENDED] = self.ended_count

    def keep(self, number: int, picked: int, pictures: bytes) -> None:
        """Keep the pictures of a picked request, while there is room."""
        if len(pictures) <= self._left:
            self._left -= len(pictures)
            self._picked.append((number, picked, pictures))

    def write(self, folder: Path) -> None:
        """Write all of it: a file of raw numbers for each figure, the pictures, and `outcomes.json`, which is last."""
        for name in ("scheduled", "began", "ended", "preview", "failed"):
            with (folder / name).open("wb") as file:
                getattr(self, name).tofile(file)
        with (folder / "pictures").open("wb") as file:
            file.writelines(pictures for _, _, pictures in self._picked)
        facts = {
            "messages": list(self._messages),
            "picks": self.picks,
            "picked": [(number, picked, len(pictures)) for number, picked, pictures in self._picked],
        }
        (folder / "outcomes.json.part").write_text(json.dumps(facts))
        (folder / "outcomes.json.part").rename(folder / "outcomes.json")
