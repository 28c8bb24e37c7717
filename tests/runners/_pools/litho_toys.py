"""Work for pools without any model; workers import it by its name."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from litho.errors import BundleError, EndpointBusy, InvalidInput, LithoError
from litho.runners._pools import Seat, Work
from litho.runners._pools.base import Advance, Make

LACKING_NODE = "LITHO_TEST_LACKS"
"""Variable of a node's environment: the node lacks what `Squares(of_all_nodes=True)` needs."""


class Squares(Work):
    """Squares of numbers, with what goes wrong on the way.

    Args:
        folder: leaves a file there for what happens once.
        dies: pieces during which the worker is killed, once.
        always_dies: the same, every time.
        busy: pieces that fail once for a reason that passes.
        wrong: pieces that are refused.
        closed: no worker can be opened.
        of_all_nodes: needs something that a node may lack.
    """

    def __init__(self, folder: Path, **faults: Any) -> None:
        self.folder, self.faults = folder, faults

    def check(self) -> None:
        if self.faults.get("of_all_nodes") and os.environ.get(LACKING_NODE):
            raise BundleError("there is no bundle or run at /models/digits; copy it there")

    @contextmanager
    def open(self, seat: Seat) -> Iterator[Make]:
        if self.faults.get("closed"):
            raise LithoError("no such model")

        def make(number: int, advance: Advance) -> tuple[int, int | None]:
            advance(0.5)
            if number in self.faults.get("always_dies", ()) or self._once("dies", number):
                os.kill(os.getpid(), signal.SIGKILL)
            if self._once("busy", number):
                raise EndpointBusy("the queue is full")
            if number in self.faults.get("wrong", ()):
                raise InvalidInput(f"number {number} is wrong")
            time.sleep(self.faults.get("seconds", 0.0))
            return number * number, seat.threads

        yield make

    def _once(self, fault: str, number: int) -> bool:
        if number not in self.faults.get(fault, ()):
            return False
        try:
            (self.folder / f"{fault}-{number}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True
