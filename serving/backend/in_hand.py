"""What the process of an instance has in hand, for whoever supervises the server, and the end of new work.

The server gives its models the path of a file in `DRAIN_VARIABLE`. While that file exists, models finish the work that
they have and refuse more. Beside it each process keeps a small record of what it has in hand: so a server can be ended
when nothing is left, and an instance that stands still is noticed.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DRAINING", "DRAIN_VARIABLE", "InHand", "Record", "read_records"]

DRAIN_VARIABLE = "LITHO_DRAIN_FILE"
"""Environment variable with the path of the file that ends new work."""

DRAINING = "the server is shutting down; send the request to another server, or again later"

_FORM = struct.Struct("=qqd")
_SUFFIX = ".in-hand"


@dataclass(frozen=True)
class Record:
    """What one process had in hand when the record was read.

    Args:
        pid: the process.
        in_hand: requests that it has accepted and not answered.
        answered: requests that it has answered since it started.
        moved: when it last accepted or answered one, in seconds of the machine's monotonic clock.
    """

    pid: int
    in_hand: int
    answered: int
    moved: float


class InHand:
    """Counts the requests that this process has in hand; threads may share it.

        >>> if not in_hand.accept(len(requests)):
        ...     return [refused(DRAINING) for _ in requests]
        >>> try:
        ...     return answer(requests)
        ... finally:
        ...     in_hand.answered(len(requests))

    Args:
        drain_file: its folder gets the record; None counts only for this process, and never refuses.
    """

    def __init__(self, drain_file: Path | None) -> None:
        self._drain_file = drain_file
        self._lock = threading.Lock()
        self._in_hand = self._answered = 0
        self._record: mmap.mmap | bytearray = bytearray(_FORM.size)
        self._file: Path | None = None
        if drain_file is not None:
            self._file = drain_file.parent / f"{os.getpid()}{_SUFFIX}"
            # Without its folder serving goes on: only the supervisor knows less.
            with suppress(OSError):
                self._file.parent.mkdir(exist_ok=True)
                with self._file.open("wb+") as file:
                    file.write(bytes(_FORM.size))
                    file.flush()
                    self._record = mmap.mmap(file.fileno(), _FORM.size)
        self._write()

    @classmethod
    def of_environment(cls) -> InHand:
        """As the server's environment says."""
        given = os.environ.get(DRAIN_VARIABLE)
        return cls(Path(given) if given else None)

    @property
    def draining(self) -> bool:
        """Whether new work is refused."""
        return self._drain_file is not None and self._drain_file.exists()

    def accept(self, count: int = 1) -> bool:
        """Take requests in hand; False if they must be refused, because the server is shutting down."""
        # First counted, then looked: whoever makes the file sees all that was accepted before.
        self._move(count, 0)
        if self.draining:
            self._move(-count, 0)
            return False
        return True

    def answered(self, count: int = 1) -> None:
        """Requests taken in hand were answered, with pictures or with an error."""
        self._move(-count, count)

    def progressed(self) -> None:
        """Work in hand goes on, such as a step of a sampler."""
        self._move(0, 0)

    def close(self) -> None:
        """This process ends: its record is removed, and the last one removes the folder if no server is left to."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)
            with suppress(OSError):
                self._file.parent.rmdir()

    def _move(self, accepted: int, answered: int) -> None:
        with self._lock:
            self._in_hand += accepted
            self._answered += answered
            self._write()

    def _write(self) -> None:
        # In one copy: `pack_into` fills the record with zeros first, and whoever reads it then takes 0 for the time.
        self._record[:] = _FORM.pack(self._in_hand, self._answered, time.monotonic())


def read_records(drain_file: Path) -> dict[int, Record]:
    """The records beside a server's drain file, by process id; processes that ended may still have one."""
    records = {}
    for path in drain_file.parent.glob(f"*{_SUFFIX}"):
        content = path.read_bytes()
        if len(content) == _FORM.size and path.stem.isdecimal():
            records[int(path.stem)] = Record(int(path.stem), *_FORM.unpack(content))
    return records
