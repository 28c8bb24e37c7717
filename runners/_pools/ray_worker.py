"""What runs inside a Ray cluster: a worker that does pieces of work, and the ledger that counts their tries."""

from __future__ import annotations

import os
import pickle
import socket
import threading
import time
from contextlib import ExitStack
from typing import Any

from ..._version import __version__
from .base import Make, Seat, Work
from .outcomes import Failed, Outcome, attempt, failed

__all__ = ["Ledger", "RayWorker"]

MOST_STARTS = 5
"""Workers that may be lost with the same piece."""

_REPORT_SECONDS = 1.0


class Ledger:
    """An actor beside the driver: which pieces were begun, how often, and how far each is."""

    def __init__(self) -> None:
        self._begun: dict[int, int] = {}
        self._shares: dict[int, float] = {}

    def begin(self, number: int) -> int:
        """Count a piece that is begun; returns how often it was begun."""
        self._begun[number] = self._begun.get(number, 0) + 1
        self._shares[number] = 0.0
        return self._begun[number]

    def advance(self, number: int, share: float) -> None:
        """Note the share of a piece that is done, 0 to 1."""
        self._shares[number] = share

    def look(self) -> tuple[int, float]:
        """Pieces that were begun again, and pieces done, parts of pieces included."""
        return sum(count - 1 for count in self._begun.values()), sum(self._shares.values())


class RayWorker:
    """An actor of Ray Data's pool: takes numbers of pieces and gives their outcomes, pickled.

    Opening and doing never raise: an error travels as an outcome, and only the loss of the process is Ray's to mend.

    Args:
        work: a pickled `Work`.
        seat: what this worker may use.
        ledger: handle of the ledger.
        version: of litho, on the driver's machine.
    """

    def __init__(self, work: bytes, seat: Seat, ledger: Any, version: str) -> None:
        self._ledger = ledger
        self._opened = ExitStack()
        self._make: Make | None = None
        self._refused: Failed | None = None
        self._where = f"node {socket.gethostname()}"
        self._worker = f"{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
        if version != __version__:
            self._refused = Failed(
                "ClusterError",
                f"it has litho {__version__}, and the driver {version}; install the same version on both",
            )
            return
        try:
            found: Work = pickle.loads(work)  # noqa: S301 - from the driver of this very job
            self._make = self._opened.enter_context(found.open(seat))
        except Exception as error:
            self._refused = failed(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Do the piece whose number is in the batch, a column `number` of length 1."""
        number = int(batch["number"][0])
        return {"number": [number], "outcome": [pickle.dumps(self._do(number))]}

    def _do(self, number: int) -> Outcome:
        import ray

        begun: Any = ray.get(self._ledger.begin.remote(number))
        if self._refused is not None:
            return Outcome(where=self._where, failed=self._refused)
        if begun > MOST_STARTS:
            lost = f"{begun - 1} workers were lost while they did piece {number}"
            return Outcome(where=self._where, failed=Failed("RuntimeCrash", lost))
        assert self._make is not None, "was just opened"
        shares = _Shares(self._ledger, number)
        try:
            answer, retries = attempt(self._make, number, shares.report)
        except Exception as error:
            return Outcome(where=self._where, failed=failed(error))
        self._ledger.advance.remote(number, 1.0)
        return Outcome(answer, retries, self._worker, self._where)


class _Shares:
    """Sends shares to the ledger, at most one a second."""

    def __init__(self, ledger: Any, number: int) -> None:
        self._ledger, self._number, self._next = ledger, number, time.monotonic() + _REPORT_SECONDS
        self._lock = threading.Lock()

    def report(self, share: float) -> None:
        with self._lock:
            if time.monotonic() < self._next:
                return
            self._next = time.monotonic() + _REPORT_SECONDS
        self._ledger.advance.remote(self._number, share)
