"""A function that is called from time to time, from a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Periodic"]


class Periodic:
    """Calls a function until it is closed; an error is reported, and does not end the calls.

    Args:
        call: the function.
        seconds: between two calls.
        report: called with one line when a call failed and the one before had not.
        name: of the thread.
    """

    def __init__(
        self, call: Callable[[], object], seconds: float, report: Callable[[str], None], name: str
    ) -> None:
        self._call, self._seconds, self._report = call, seconds, report
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the calls, after the one that is under way."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        failing = False
        while not self._end.wait(self._seconds):
            try:
                self._call()
            except Exception as error:  # of the server, whose classes are not litho's
                if not failing:
                    self._report(f"{type(error).__name__}: {' '.join(str(error).split())}")
                failing = True
            else:
                failing = False
