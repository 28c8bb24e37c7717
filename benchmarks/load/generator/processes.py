"""Run the processes of a load generator: start them, watch them, end them, read what they brought."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from .... import interrupts
from ....errors import EndpointError, EndpointUnavailable, LithoError
from .outcomes import Outcomes, combined, read_outcomes
from .plan import Plan, Site, kind_positions, write_plan
from .worker.book import CONTROL_WORDS, ENDED, EVERY, FAILED, READY, START, STARTED, STOP, Control

__all__ = ["Running", "drive"]

STALL_SECONDS = 120.0
"""Longest wait for any answer before the endpoint counts as dead."""

MAX_FAILURES = 100
"""A load is given up when this many requests failed and none succeeded."""

_POLL_SECONDS = 0.005
_START_SECONDS = 30.0
_END_SECONDS = 5.0
_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from worker.main import main; main(sys.argv[2])"


def drive(plan: Plan, site: Site, seconds: float | None = None, ended: int = 0) -> Outcomes:
    """Follow a plan to its end.

    Args:
        plan: what to send.
        site: where.
        seconds: after which no more requests start; None for the whole schedule, or all kinds of a fixed plan.
        ended: requests that end before that, however long they take.

    Raises:
        EndpointError: the server cannot be reached, stalls, or no request succeeds.
    """
    with Running(plan, site) as running:
        running.begin()
        running.wait(float("inf") if seconds is None else seconds, ended)
        return running.end()


class Running:
    """The processes that follow a plan: a context manager, which ends them in any case.

    Args:
        plan: what to send.
        site: where.
        stall_seconds: longest wait for any answer.

    Raises:
        EndpointUnavailable: the server cannot be reached.
    """

    def __init__(self, plan: Plan, site: Site, stall_seconds: float = STALL_SECONDS) -> None:
        self._plan, self._site, self._stall_seconds = plan, site, stall_seconds
        self._folder = tempfile.TemporaryDirectory(prefix="litho-load-", ignore_cleanup_errors=True)
        self._positions: list[Path] = []
        self._controls: list[Control] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start = 0.0
        count = plan.process_count()
        try:
            for part in range(count):
                self._launch(part, count)
            self._until(lambda: all(control.words[READY] for control in self._controls), _START_SECONDS)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def process_ids(self) -> list[int]:
        """Ids of the processes."""
        return [process.pid for process in self._processes]

    @property
    def started(self) -> int:
        """Number of requests that have left."""
        return self._sum(STARTED)

    @property
    def ended(self) -> int:
        """Number of requests that were answered or failed."""
        return self._sum(ENDED)

    @property
    def failed(self) -> int:
        """Number of requests that failed."""
        return self._sum(FAILED)

    @property
    def now(self) -> float:
        """Seconds since the start of the load."""
        return time.perf_counter() - self._start

    def begin(self) -> None:
        """Start the load."""
        # Whole microseconds: FP64 holds them exactly for years.
        self._start = round(time.perf_counter() + 0.002, 6)
        if self._plan.picks is not None:
            self.pick_every(self._plan.picks.every)
        for control in self._controls:
            control.words[START] = round(self._start * 1e9)

    def cpu_seconds(self) -> float:
        """Processor time that the processes have spent so far."""
        return sum(_cpu_seconds(process.pid) for process in self._processes)

    def wait(self, seconds: float, ended: int = 0) -> float:
        """Wait while the load goes on; its schedule may be over earlier.

        Args:
            seconds: how long, at least.
            ended: how many requests are to end meanwhile, at least.

        Returns:
            When, in seconds from the start of the load.

        Raises:
            EndpointError: nothing was answered for `stall_seconds`, or nothing succeeds.
        """
        until, before = self.now + seconds, self.ended
        last, moved = before, self.now
        while (self.now < until or self.ended - before < ended) and not self._over():
            left = until - self.now
            time.sleep(min(_POLL_SECONDS, left) if left > 0 else _POLL_SECONDS)
            self._check_alive()
            count = self.ended
            if count != last:
                last, moved = count, self.now
            elif self.started > count and self.now - moved > self._stall_seconds:
                waiting = self.started - count
                raise EndpointError(
                    f"{self._site.model} at {self._site.address} has not answered any of {waiting} requests for"
                    f" {self._stall_seconds:g} s; look at its log and start it again"
                )
            if self.failed >= max(MAX_FAILURES, 2 * self._plan.in_flight) and self.failed == count:
                raise self.failure(self.end())
        self._check_alive()
        return self.now

    def pick_every(self, every: int) -> None:
        """Make one of `every` requests a picked one from now on, if the plan has picked ones."""
        if self._plan.picks is not None:
            for control in self._controls:
                control.words[EVERY] = every

    def end(self, drain_seconds: float | None = None) -> Outcomes:
        """Start no more requests, wait for those in flight, and return all.

        Args:
            drain_seconds: how long to wait; None for `stall_seconds`. Those that the server has not answered by then
                are left unanswered.
        """
        for control in self._controls:
            control.words[STOP] = 1
        wait = self._stall_seconds if drain_seconds is None else drain_seconds
        deadline = time.perf_counter() + wait
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline - time.perf_counter()))
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait(_END_SECONDS)
        return self.outcomes()

    def outcomes(self) -> Outcomes:
        """What the ended processes brought.

        Raises:
            LithoError: one of them was killed.
        """
        parts, count = list[Outcomes](), len(self._positions)
        for part, position in enumerate(self._positions):
            if not (position / "outcomes.json").exists():
                raise LithoError("a process of the load generator was killed; measure again")
            picks = () if self._plan.picks is None else self._plan.picks.kinds
            positions = kind_positions(self._plan, part, count)
            rows = [self._plan.kinds[one].rows for one in positions]
            read = read_outcomes(position, rows, [kind.rows for kind in picks])
            kind = np.where(read.kind < 0, -1, np.array(positions, np.int32)[read.kind]).astype(np.int32)
            read = replace(read, kind=kind)
            parts.append(read)
        return combined(parts)

    def failure(self, outcomes: Outcomes) -> LithoError:
        """The error of a load under which nothing succeeded."""
        count, message = len(outcomes.began), next(iter(outcomes.errors), "none was answered")
        return EndpointError(
            f"none of {count} requests succeeded; the first error: {' '.join(message.split())}"
        )

    def close(self) -> None:
        """End the processes that still run."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        for control in self._controls:
            control.close()
        self._controls.clear()
        self._folder.cleanup()

    def _launch(self, part: int, count: int) -> None:
        position = Path(self._folder.name) / str(part)
        position.mkdir()
        write_plan(self._plan, self._site, position, part, count)
        (position / "control").write_bytes(bytes(CONTROL_WORDS * 8))
        self._positions.append(position)
        self._controls.append(Control(position / "control"))
        # Isolated and without site packages, Python starts in 20 ms. What stands at the pipe's other end never
        # writes: its end tells the process that this one has ended.
        command = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(Path(__file__).parent), str(position)]
        with interrupts.deaf_to_ctrl_c():  # until they know what to do with it
            self._processes.append(subprocess.Popen(command, stdin=subprocess.PIPE))

    def _sum(self, word: int) -> int:
        return sum(control.words[word] for control in self._controls)

    def _over(self) -> bool:
        return all(process.poll() is not None for process in self._processes)

    def _until(self, reached: Callable[[], bool], seconds: float) -> None:
        until = time.perf_counter() + seconds
        while not reached():
            self._check_alive()
            if time.perf_counter() > until:
                raise EndpointUnavailable(f"{self._site.address} was not reached for {seconds:g} s")
            time.sleep(0.001)

    def _check_alive(self) -> None:
        for process, position in zip(self._processes, self._positions, strict=True):
            if process.poll() is None:
                continue
            refused = position / "refused"
            if refused.exists():
                raise _unreachable(self._site.address, refused.read_text())
            if process.returncode:
                raise LithoError(
                    f"a process of the load generator ended with status {process.returncode}; measure again"
                )


def _unreachable(address: str, reason: str) -> EndpointError:
    """The error for a connection that could not be opened, of what Python said."""
    # "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)"
    if tls := re.match(r"\[SSL[^]]*\] (?:certificate verify failed: )?(.*?)(?: \(_ssl.*)?$", reason):
        return EndpointError(
            f"{address} and this client do not agree on TLS ({tls[1]}); check the certificates of both"
        )
    return EndpointUnavailable(f"cannot reach {address}: {reason}; is the server running?")


def _cpu_seconds(process_id: int) -> float:
    try:
        # The clock of another process, see clock_getcpuclockid(3).
        return time.clock_gettime((~process_id << 3) | 2)
    except OSError:
        return 0.0
