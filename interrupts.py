"""Ctrl-C and SIGTERM end a command even where a library swallows the exception; knows no command.

Python raises KeyboardInterrupt wherever the main thread happens to be: in a weak reference's callback or a destructor,
which drop it, or in a library's `except:`. The handler here notes the interrupt, so that it can be raised again: by a
timer, by `check`, which is called where progress is reported and before something gets its final name, until the
command has dealt with it. An import of another package is not cut short, because half a module breaks what runs next.

Only the command line listens (`listen`). Called from Python, litho leaves the handlers of its caller as they are, and
`check` finds nothing; `held` and `deaf_to_ctrl_c` work with any handlers.
"""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = [
    "AGAIN",
    "INTERRUPTED",
    "check",
    "deaf_to_ctrl_c",
    "end",
    "handle",
    "held",
    "listen",
    "noted",
    "taken",
]

AGAIN = "no partial file is left; run the same command again"
INTERRUPTED = f"interrupted; {AGAIN}"

NUMBERS = (signal.SIGINT, signal.SIGTERM)

ONCE_S = 0.5
"""Seconds in which a second signal is the first one again: terminal and launcher may both pass on Ctrl-C."""

_AGAIN_S = 0.2
"""Seconds between two looks whether the interrupt was swallowed."""

_IMPORT_S = 3.0
"""Longest wait for the end of an import."""

_since: float | None = None
"""When an interrupt came that was not dealt with yet, by the monotonic clock."""

_first: float | None = None
"""When the last interrupt came that was not a repetition."""


def handle(handler: Any) -> None:
    """Set the handler of Ctrl-C and SIGTERM, of those that are not ignored: a shell's background is deaf to Ctrl-C.

    Args:
        handler: as `signal.signal` takes it.
    """
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def listen() -> None:
    """From now on an interrupt is noted and raises KeyboardInterrupt in the main thread, until it is dealt with."""
    global _since, _first
    _since = _first = None
    sys.unraisablehook = _unraisable
    handle(_note)


def end() -> None:
    """The command is over: an interrupt ends the process at once and without words."""
    _watch(0.0)
    handle(signal.SIG_DFL)
    sys.unraisablehook = sys.__unraisablehook__


def noted() -> bool:
    """Whether an interrupt came that was not dealt with."""
    return _since is not None


def taken() -> None:
    """The interrupt was dealt with, for example by finishing early: it is raised no more."""
    global _since
    _since = None
    _watch(0.0)


def check() -> None:
    """Raise the interrupt again that a library swallowed; nothing happens while the command is ending because of it.

    Raises:
        KeyboardInterrupt: in the main thread of a command that was interrupted.
    """
    if _since is not None and _is_main() and signal.getsignal(signal.SIGINT) is _note and not _unwinding():
        raise KeyboardInterrupt


@contextmanager
def held() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM to the end of the block, which is short and must not be cut in two."""
    if not _is_main():
        yield  # only the main thread gets signals
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in NUMBERS}
    for number in NUMBERS:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came[:1]:
            signal.raise_signal(number)


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Processes that the block starts do not get Ctrl-C, which a terminal sends to all: this one ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _note(number: int, frame: FrameType | None) -> None:
    global _since, _first
    now = time.monotonic()
    if _first is not None and now - _first < ONCE_S:
        return
    if _since is None:
        _since = _first = now
        _watch(_AGAIN_S)
        if _importing(frame):
            return
    raise KeyboardInterrupt


def _look(number: int, frame: FrameType | None) -> None:
    global _first
    if _since is None or _unwinding():
        return
    if signal.getsignal(signal.SIGINT) is not _note:
        taken()
        _first = None
        signal.raise_signal(signal.SIGINT)  # whoever listens now deals with it
    elif time.monotonic() - _since > _IMPORT_S or not _importing(frame):
        raise KeyboardInterrupt


def _watch(seconds: float) -> None:
    """Look again and again; 0 ends it."""
    if signal.getsignal(signal.SIGALRM) is signal.SIG_DFL and seconds:
        signal.signal(signal.SIGALRM, _look)
    if signal.getsignal(signal.SIGALRM) is _look:  # the timer may be somebody else's
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
        if not seconds:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _unwinding() -> bool:
    """Whether the interrupt is on its way out: what runs now cleans up."""
    error = sys.exception()
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _importing(frame: FrameType | None) -> bool:
    """Whether a module of another package is being imported."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "_find_and_load" and code.co_filename.startswith("<frozen importlib"):
            name = str(frame.f_locals.get("name"))
            if name.partition(".")[0] != __name__.partition(".")[0]:
                return True
        frame = frame.f_back
    return False


def _unraisable(dropped: Any) -> None:
    # Said of an interrupt that came in a destructor; it is raised again elsewhere.
    if not (_since is not None and issubclass(dropped.exc_type, KeyboardInterrupt)):
        sys.__unraisablehook__(dropped)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
