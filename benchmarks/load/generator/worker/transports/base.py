"""The protocol of transports."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..loop import Loop, Waiter
from ..plan import Plan

__all__ = ["RETRY_SECONDS", "Transport"]

RETRY_SECONDS = 0.1
"""After a connection was lost or refused, requests wait so long: a server that is gone is not asked in a loop."""


class Transport(ABC):
    """Sends requests and tells the loop of their answers; each module of this folder has a subclass `Transport`.

    Args:
        plan: what to send and where.
        loop: gives the requests and takes the answers.
        waiter: calls when a socket is ready.
    """

    def __init__(self, plan: Plan, loop: Loop, waiter: Waiter) -> None:
        self.plan, self.loop, self.waiter = plan, loop, waiter

    @abstractmethod
    def connect(self) -> None:
        """Open the connections that the plan needs from the start.

        Raises:
            OSError: the server cannot be reached.
        """

    @abstractmethod
    def send(self, scheduled: float) -> None:
        """Start the next request, which was due at a reading of the clock."""

    @abstractmethod
    def flush(self) -> None:
        """Send what `send` has gathered."""
