"""Workers on this machine: this process itself, or several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from multiprocessing import connection, resource_tracker
from pathlib import Path
from typing import Any

from ... import interrupts
from ...errors import RuntimeCrash, UsageError
from .base import Advance, Make, Pool, Seat, Work
from .outcomes import Outcome, attempt, failed

__all__ = ["MOST_WORKERS", "LocalPool"]

MOST_WORKERS = 256
"""Processes of one pool: far more than cores would only fill the memory."""

_MOST_LOSSES = 5
"""Workers that may be lost one after the other without a piece done in between."""

_TICK_SECONDS = 0.5
_END_SECONDS = 10.0
_AHEAD = 2
"""Pieces handed to a worker: the one that it does, and the next."""


class LocalPool(Pool):
    """Pieces of work in this process, or in `workers` processes.

    Args:
        workers: 1 for this process.
        threads: cores of each worker; None for the machine's cores divided by `workers`.
        on_gpu: give each process a GPU of its own, in turn.
    """

    def __init__(self, workers: int = 1, threads: int | None = None, *, on_gpu: bool = False) -> None:
        super().__init__()
        self.inline = workers == 1
        self._workers, self._on_gpu = workers, on_gpu
        cores = len(os.sched_getaffinity(0))
        self._seat = Seat(threads or (None if self.inline else max(1, cores // workers)))

    def run(
        self, work: Work, numbers: Sequence[int], progress: Advance = lambda pieces: None
    ) -> Generator[tuple[int, Any], None, None]:
        """See `Pool.run`."""
        return (self._here if self.inline else self._in_processes)(work, numbers, progress)

    def _here(
        self, work: Work, numbers: Sequence[int], progress: Advance
    ) -> Generator[tuple[int, Any], None, None]:
        with work.open(self._seat) as make:
            self.report.workers += 1
            for done, number in enumerate(numbers):
                answer, retries = attempt(make, number, lambda share, done=done: progress(done + share))
                self.report.pieces += 1
                self.report.retries += retries
                yield number, answer
                progress(done + 1)

    def _in_processes(
        self, work: Work, numbers: Sequence[int], progress: Advance
    ) -> Generator[tuple[int, Any], None, None]:
        left = dict.fromkeys(numbers)
        losses, seen = 0, set[str]()
        while left:
            before = len(left)
            try:
                for number, outcome in self._round(work, list(left), len(numbers), progress):
                    if outcome.failed is not None:
                        raise outcome.failed.error()
                    del left[number]
                    seen.add(outcome.worker)
                    self.report.pieces += 1
                    self.report.retries += outcome.retries
                    yield number, outcome.answer
            except BrokenProcessPool:
                # Which piece ended the worker is not known: all that were under way are done again.
                self.report.retries += min(self._workers, len(left))
                losses = losses + 1 if len(left) == before else 1
                if losses == _MOST_LOSSES:
                    raise RuntimeCrash(
                        f"{losses} workers ended without an answer, one after the other, in one of the pieces"
                        f" {', '.join(map(str, [*left][: self._workers]))}"
                    ) from None
            finally:
                self.report.workers += len(seen)
                seen.clear()

    def _round(
        self, work: Work, numbers: list[int], count: int, progress: Advance
    ) -> Iterator[tuple[int, Outcome]]:
        """Number and outcome of each piece, until all are done or a worker is lost."""
        context = multiprocessing.get_context("spawn")
        try:
            gpus = context.SimpleQueue()
        except OSError as error:
            raise UsageError(
                f"no workers can be started: their locks lie in /dev/shm, which cannot be written to"
                f" ({error.strerror}); mount it, or leave --workers out"
            ) from None
        for gpu in _gpus(self._workers) if self._on_gpu else ():
            gpus.put(gpu)
        executor = ProcessPoolExecutor(
            self._workers, context, _open, (work, self._seat, gpus if self._on_gpu else None)
        )
        futures: dict[Future[Outcome], int] = {}
        waiting = iter(numbers)
        left = len(numbers)
        resource_tracker.ensure_running()  # starting it would unblock signals
        try:
            while True:
                while len(futures) < _AHEAD * self._workers and (number := next(waiting, None)) is not None:
                    # New workers set their handler only after their imports.
                    with interrupts.deaf_to_ctrl_c():
                        futures[executor.submit(_do, number)] = number
                if not futures:
                    return
                done, _ = wait(futures, _TICK_SECONDS, FIRST_COMPLETED)
                for future in done:
                    number = futures.pop(future)
                    yield number, future.result()
                    left -= 1
                progress(count - left)
        finally:
            _end(executor)


def _gpus(workers: int) -> list[str]:
    """The GPU of each worker, as CUDA_VISIBLE_DEVICES names it."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = (
        given.split(",")
        if given
        else [path.name.removeprefix("nvidia") for path in sorted(Path("/dev").glob("nvidia[0-9]*"))]
    )
    return [found[number % len(found)] for number in range(workers)] if found else []


def _end(executor: ProcessPoolExecutor) -> None:
    processes = [*(executor._processes or {}).values()]
    executor.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_END_SECONDS)
        process.kill()  # one that was stopped hears nothing else
        process.join()


_make: Make | None = None
_opened = ExitStack()
_refused: BaseException | None = None


def _open(work: Work, seat: Seat, gpus: Any) -> None:
    """In a new worker: open what the pieces need."""
    global _make, _refused
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches every process; the one that started this ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpus is not None and not gpus.empty():
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus.get()
    try:
        _make = _opened.enter_context(work.open(seat))
    except Exception as error:  # the first piece reports it; an exception here would only break the pool
        _refused = error


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _do(number: int) -> Outcome:
    try:
        if _refused is not None:
            raise _refused
        assert _make is not None, "was just opened"
        answer, retries = attempt(_make, number, lambda share: None)
    except Exception as error:
        return Outcome(failed=failed(error))
    return Outcome(answer, retries, worker=str(os.getpid()))
