"""The process: read the plan, connect, follow it, write what became of the requests.

It ends early, and still writes, on SIGTERM, on SIGINT, and when its parent has ended: then its standard input does.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from .book import READY, Book, Control
from .loop import Loop, Waiter
from .plan import Plan

__all__ = ["main"]


class _Ended(BaseException):
    """Somebody wants the process to end."""


def main(folder: str) -> None:
    """Follow the plan in a folder."""
    with suppress(_Ended):  # it came before there was anything to write
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        threading.Thread(target=_watch_parent, daemon=True).start()
        _follow(Path(folder))


def _follow(position: Path) -> None:
    plan, control = Plan.read(position), Control(position / "control")
    book, waiter = Book(control.words, plan.most_picked_bytes), Waiter()
    loop = Loop(plan, book, waiter, control.words)
    # Nothing here makes circles, and a collection would stand between a request and its time.
    gc.disable()
    try:
        try:
            transport = import_module(f".transports.{plan.transport}", __package__).Transport(
                plan, loop, waiter
            )
            transport.connect()
        except OSError as error:
            # The parent says it better: the file holds the reason only.
            (position / "refused").write_text(str(error))
            return
        control.words[READY] = 1
        loop.run(transport)
    except _Ended:
        pass
    finally:
        _ignore_further()
        if not (position / "refused").exists():
            book.write(position)


def _end(number: int, frame: object) -> None:
    del number, frame
    _ignore_further()  # a second one would cut short what is written because of the first
    raise _Ended


def _ignore_further() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _watch_parent() -> None:
    # The parent holds the other end, and never writes.
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)
