"""One request to the worker's process and its answer, with the time after which it counts as hung."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SLICE_S", "Doing", "Exchange", "Limits"]

SLICE_S = 1.0
"""Seconds between two looks at a process that has not answered yet."""


@dataclass(frozen=True)
class Limits:
    """When a request counts as hung: far above what a slow machine needs, so that none that works is stopped.

    Args:
        seconds: for any request.
        seconds_per_mib: on top, for each MiB of a graph that is opened.
        seconds_per_picture: on top, for each row of a batch that is run.
        idle_seconds: for a request during which the process uses no processor at all; on a CPU only, because one that
            waits for a GPU may use none.
    """

    seconds: float = 300.0
    seconds_per_mib: float = 2.0
    seconds_per_picture: float = 60.0
    idle_seconds: float = 120.0


@dataclass(frozen=True)
class Doing:
    """What a request does, for its time limit and for the line about its crash.

    Args:
        title: of the runtime.
        work: "opened the graph".
        device: that it runs on.
        mebibytes: of the graph that is opened.
        rows: of the batch that is run.
    """

    title: str
    work: str
    device: str = "cpu"
    mebibytes: int = 0
    rows: int = 0

    def limit_s(self, limits: Limits) -> float:
        """Seconds after which the request counts as hung."""
        return (
            limits.seconds + limits.seconds_per_mib * self.mebibytes + limits.seconds_per_picture * self.rows
        )

    def idle_s(self, limits: Limits) -> float:
        """Seconds without any use of a processor after which it counts as hung."""
        return limits.idle_seconds if self.device == "cpu" else float("inf")


class Exchange:
    """Writes a request and reads its answer; raises TimeoutError when the process takes too long.

    Time is counted in slices: a laptop that slept, or a command that was stopped with Ctrl-Z, has one long slice.

    Args:
        pid: number of the process.
        channel: to it; its timeout is `SLICE_S`.
        limit_s: seconds until the answer is complete.
        idle_s: seconds in a row during which the process may use no processor.
    """

    def __init__(self, pid: int, channel: socket.socket, limit_s: float, idle_s: float) -> None:
        self._pid, self._channel = pid, channel
        self._limit_s, self._idle_s = limit_s, idle_s
        self._waited_s = self._idled_s = 0.0
        self._used = -1

    def write(self, content: bytes | memoryview) -> None:
        """Write all of it."""
        left = memoryview(content)
        while left:
            try:
                left = left[self._channel.send(left) :]
            except TimeoutError:
                self._wait_on()

    def read(self, count: int) -> bytearray:
        """Read exactly this many bytes."""
        content = bytearray(count)
        left = memoryview(content)
        while left:
            try:
                got = self._channel.recv_into(left)
            except TimeoutError:
                self._wait_on()
                continue
            if got == 0:
                raise EOFError
            left = left[got:]
        return content

    def _wait_on(self) -> None:
        self._waited_s += SLICE_S
        used = _processor_ticks(self._pid)
        self._idled_s = self._idled_s + SLICE_S if used == self._used else 0.0
        self._used = used
        if self._waited_s >= self._limit_s:
            raise TimeoutError(f"no answer for {self._waited_s:.0f} s")
        if self._idled_s >= self._idle_s:
            raise TimeoutError(f"it computed nothing for {self._idled_s:.0f} s")


def _processor_ticks(pid: int) -> int:
    """Time that a process has used; a time that always differs where the system does not tell."""
    try:
        # The name, in parentheses, may hold anything; user and system time are the 12th and 13th field after it.
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
        return int(fields[11]) + int(fields[12])
    except (OSError, IndexError, ValueError):
        return time.monotonic_ns()
