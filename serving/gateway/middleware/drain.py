"""New requests are refused while the gateway ends; those that it has are counted, so that it can wait for them."""

from __future__ import annotations

from ..errors import ApiError
from ..exchange import Exchange, Stage
from ..gateway import Gateway
from ..protection.draining import shutting_down

__all__ = ["ORDER", "Middleware"]

ORDER = 60

_NOT_WORK = frozenset({"/healthz", "/readyz", "/metrics"})
"""Who asks these wants to know how the end goes."""


class Middleware(Stage):
    """Answers 503 with Retry-After, and ends the connection, once `Guard.drain` has begun."""

    def __init__(self, gateway: Gateway) -> None:
        self._drain = gateway.guard.drain

    def begin(self, exchange: Exchange) -> ApiError | None:
        """Count it, or refuse it."""
        if exchange.path in _NOT_WORK:
            return None
        if self._drain.draining:
            exchange.closes = True
            return shutting_down()
        self._drain.enter()
        return None

    def end(self, exchange: Exchange) -> None:
        """It is done."""
        if exchange.path not in _NOT_WORK:
            self._drain.leave()
