"""What ends a training from outside: Ctrl-C, a cluster that takes its machine away, a process that was lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from ...errors import TrainingError
from .distributed import Process, lost_process

__all__ = ["interruptible", "one_line_for_a_lost_process"]

ONE_SIGNAL_S = 2.0
"""Seconds in which a second signal is the first one again: terminal and torchrun both pass on Ctrl-C."""


@contextmanager
def interruptible(process: Process) -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that the step in progress is finished; a second one stops at once.

    SIGTERM is what a cluster sends before it takes a machine away.

    Args:
        process: this one; the first of several processes says that it saves.
    """
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    first = 0.0

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def request(number: int, frame: Any) -> None:
        nonlocal first
        if requested.is_set():
            if process.count == 1 or time.monotonic() - first > ONE_SIGNAL_S:
                restore()
                signal.raise_signal(number)
            return
        requested.set()
        first = time.monotonic()
        if process.is_main:
            Console(stderr=True).print("\nsaving; run the same command again to resume")

    for number in before:
        signal.signal(number, request)
    try:
        yield requested
    finally:
        restore()


@contextmanager
def one_line_for_a_lost_process(run: Path) -> Iterator[None]:
    """Say that another process was lost, instead of torch's words for a broken connection.

    Raises:
        TrainingError: it was, while the block ran.
    """
    try:
        yield
    except RuntimeError as error:
        if not lost_process(error):
            raise
        raise TrainingError(
            f"another process of this training ended or cannot be reached; run the same command again to resume {run}"
        ) from error
