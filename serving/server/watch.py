"""Looks at the processes that run a server's models, and finds those that died or stand still."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..backend.in_hand import Record, read_records
from ..backend.stalls import STALLED
from .deaths import ending
from .processes import IDLE_SHARE, Stub, look, stubs_of

__all__ = ["Fault", "Watch"]

_SEARCH_SECONDS = 1.0
"""How often new processes are searched for: it reads a file of every process of the machine."""

_DYING_SECONDS = 0.1
"""A process that Triton itself ends is dead for a moment, too."""


@dataclass(frozen=True)
class Fault:
    """An instance that no longer answers.

    Args:
        stub: its process.
        kind: "died" or "hung".
        cause: one line.
    """

    stub: Stub
    kind: str
    cause: str


class Watch:
    """Looks after the processes of one server.

    Triton neither restarts an instance whose process died nor says that it is not ready. It leaves the dead process
    unburied, which tells it from one that was ended because its model was unloaded.

    Args:
        server: process id of the server.
        drain_file: of the server; beside it the processes say what they have in hand.
        hung_seconds: a process that has work in hand hangs if it makes no headway and does nothing for this long; a
            stopped one hangs after a tenth of it.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        server: int,
        drain_file: Path,
        *,
        hung_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server, self._drain_file, self._hung_seconds = server, drain_file, hung_seconds
        self._clock = clock
        self._known: dict[int, Stub] = {}
        self._dying: dict[int, float] = {}
        self._stopped: dict[int, float] = {}
        # When it last moved, and its processor time and the time when that was first seen.
        self._standing: dict[int, tuple[float, float, float]] = {}
        self._reported: set[int] = set()
        self._searched = float("-inf")

    def instances(self) -> tuple[Stub, ...]:
        """The processes that are known and have no fault."""
        return tuple(self._known.values())

    def records(self) -> dict[int, Record]:
        """What the processes have in hand, by process id."""
        return {pid: one for pid, one in read_records(self._drain_file).items() if pid in self._known}

    def look(self) -> list[Fault]:
        """The faults since the last look; each is reported once."""
        now = self._clock()
        if now - self._searched >= _SEARCH_SECONDS:
            self._searched = now
            found = stubs_of(self._server)
            self._known.update((stub.pid, stub) for stub in found if stub.pid not in self._reported)
        records = self.records()
        faults = [
            fault
            for stub in list(self._known.values())
            if (fault := self._fault(stub, records.get(stub.pid), now)) is not None
        ]
        for fault in faults:
            if fault.kind == "died":
                self._forget(fault.stub.pid)
                self._reported.add(fault.stub.pid)
        return faults

    def end(self, stub: Stub, *, expected: bool = False) -> None:
        """Kill the process of an instance; if its death is expected, it is not reported as a fault."""
        if expected:
            self._forget(stub.pid)
            self._reported.add(stub.pid)
        if look(stub.pid, self._server) is not None:
            with suppress(ProcessLookupError):
                os.kill(stub.pid, signal.SIGKILL)

    def _fault(self, stub: Stub, record: Record | None, now: float) -> Fault | None:
        seen = look(stub.pid, self._server)
        if seen is None:
            self._forget(stub.pid)
        elif seen.state == "Z":
            if now - self._dying.setdefault(stub.pid, now) >= _DYING_SECONDS:
                return Fault(stub, "died", _cause(seen.exit_code))
        elif seen.state in "Tt":
            since = self._stopped.setdefault(stub.pid, now)
            if now - since >= self._hung_seconds / 10:
                self._stopped[stub.pid] = float("inf")  # reported once
                return Fault(stub, "hung", "it was stopped by a signal")
        else:
            self._stopped.pop(stub.pid, None)
            return self._standstill(stub, record, seen.cpu_seconds)
        return None

    def _standstill(self, stub: Stub, record: Record | None, cpu: float) -> Fault | None:
        if record is None or not record.in_hand:
            self._standing.pop(stub.pid, None)
            return None
        now = time.monotonic()  # the records are written with the machine's clock
        moved, before, since = self._standing.setdefault(stub.pid, (record.moved, cpu, now))
        if moved != record.moved:
            self._standing[stub.pid] = (record.moved, cpu, now)
            return None
        # A record that is read while it is written may hold the time of something long before the work in hand.
        seconds = now - max(moved, since)
        if seconds < self._hung_seconds or (cpu - before) / seconds > IDLE_SHARE:
            return None
        self._standing[stub.pid] = (moved, cpu, float("inf"))  # reported once
        return Fault(
            stub, "hung", f"it had {record.in_hand} requests in hand and did nothing for {seconds:.0f} s"
        )

    def _forget(self, pid: int) -> None:
        for noted in (self._known, self._dying, self._stopped, self._standing):
            noted.pop(pid, None)


def _cause(code: int) -> str:
    if code == STALLED:
        return "it stood still with a batch in hand, as a paused machine does, and ended itself"
    return ending(code)
