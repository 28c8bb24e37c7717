"""A load on an endpoint from a process of its own, and what became of its requests."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from ...errors import LithoError
from .clients import KINDS
from .documents import Asked

__all__ = ["Load", "Record", "asked"]

POLL_SECONDS = 0.05
GOOD_IN_A_ROW = 20


class Record(NamedTuple):
    """A request that ended.

    Args:
        kind: of client.
        began, ended: readings of the monotonic clock, in seconds.
        outcome: "OK", "WRONG" for another picture, else the code of the error.
        message: of the error.
    """

    kind: str
    began: float
    ended: float
    outcome: str
    message: str


class Load:
    """Clients that ask as long as the `with` block runs.

    Args:
        endpoint: of the model.
        pictures: NumPy file of the expected pictures.
        log: file for what the clients print as errors.

    Attributes:
        records: of all requests that ended, in the order in which they ended.
    """

    def __init__(self, endpoint: str, pictures: Path, log: Path) -> None:
        self._command = [
            sys.executable,
            "-m",
            "litho.benchmarks.faults.clients",
            endpoint,
            str(pictures),
        ]
        self._log = log
        self.records: list[Record] = []

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def wait_for_good(self, since: float, quiet_seconds: float, deadline_seconds: float) -> bool:
        """Wait until every kind of client gets only good answers.

        Args:
            since: reading of the monotonic clock; only requests that began later count.
            quiet_seconds: how long no request may fail.
            deadline_seconds: longest wait.

        Returns:
            Whether it was reached.

        Raises:
            LithoError: the process of the clients ended.
        """
        deadline = time.monotonic() + deadline_seconds
        while time.monotonic() < deadline:
            if self._is_good(since, quiet_seconds):
                return True
            if self._process.poll() is not None:
                raise LithoError(f"the clients ended: {self._log.read_text()[-500:]}")
            time.sleep(POLL_SECONDS)
        return False

    def _is_good(self, since: float, quiet_seconds: float) -> bool:
        records = list(self.records)
        failed = max((one.ended for one in records if one.outcome != "OK"), default=since)
        start = max(since, failed)
        good = Counter(one.kind for one in records if one.outcome == "OK" and one.began >= start)
        return time.monotonic() - start >= quiet_seconds and all(
            good[kind] >= GOOD_IN_A_ROW for kind in KINDS
        )

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.records.append(Record(*json.loads(line)))


def asked(records: Sequence[Record]) -> dict[str, Asked]:
    """What each kind of client saw."""
    return {kind: _asked([one for one in records if one.kind == kind]) for kind in KINDS}


def _asked(records: Sequence[Record]) -> Asked:
    errors = Counter(one.outcome for one in records if one.outcome not in ("OK", "WRONG"))
    good = [(one.ended - one.began) * 1e3 for one in records if one.outcome == "OK"]
    return Asked(
        requests=len(records),
        failed=errors.total(),
        wrong=sum(one.outcome == "WRONG" for one in records),
        errors=dict(errors),
        examples={one.outcome: one.message for one in reversed(records) if one.outcome in errors},
        p95_ms=round(float(np.percentile(good, 95)), 1) if good else None,
    )
