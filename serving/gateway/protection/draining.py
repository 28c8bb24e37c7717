"""The end of a gateway: it refuses new requests and finishes those that it has."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ApiError

__all__ = ["Drain", "shutting_down"]


def shutting_down() -> ApiError:
    """503: this gateway takes no request any more."""
    return ApiError(
        503,
        "the gateway is shutting down; try again, elsewhere or later",
        kind="server_error",
        code="server_shutting_down",
        headers={"Retry-After": "5"},
    )


class Drain:
    """Counts requests, and knows whether the gateway ends; for one event loop.

    Attributes:
        draining: whether new requests are refused.
        running: requests that were accepted and have not ended.
    """

    def __init__(self) -> None:
        self.draining = False
        self.running = 0
        self._idle: list[Callable[[], object]] = []

    def begin(self, idle: Callable[[], object]) -> None:
        """Refuse new requests from now on.

        Args:
            idle: called once no request runs, which may be at once.
        """
        self.draining = True
        if self.running:
            self._idle.append(idle)
        else:
            idle()

    def enter(self) -> None:
        """A request was accepted; it must `leave`."""
        self.running += 1

    def leave(self) -> None:
        """A request has ended."""
        self.running -= 1
        if self.running == 0:
            waiting, self._idle = self._idle, []
            for idle in waiting:
                idle()
