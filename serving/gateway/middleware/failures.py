"""A fault of the gateway itself: the client gets an error like any other, and the log says where it was."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect

from ...server.events import Event
from ..errors import ApiError
from ..exchange import Exchange, Stage
from ..gateway import Gateway
from ..protection.draining import shutting_down
from ..protection.request_log import where_of

__all__ = ["ORDER", "Middleware"]

ORDER = 95


class Middleware(Stage):
    """Answers 500 where nothing else answered; inside the other middlewares, so that their headers are there too.

    A request that is not finished in time at the end of the gateway is answered 503, as those that came later.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._log, self._drain = gateway.guard.log, gateway.guard.drain

    def failed(self, exchange: Exchange, error: BaseException) -> ApiError | bool:
        """Say what is answered."""
        if isinstance(error, asyncio.CancelledError):
            exchange.closes = True
            return shutting_down() if self._drain.draining and not exchange.started else False
        if isinstance(error, ClientDisconnect):
            return True  # within its body; the log calls it 499
        if not isinstance(error, Exception):
            return False
        id = exchange.state.get("request_id", "")
        cause = f"{type(error).__name__} at {where_of(error)}"
        self._log(Event("failed", "the gateway failed", "error", "", cause, {"request_id": id}))
        if exchange.started:
            return False  # the connection ends, so that nobody takes a part for the whole
        exchange.closes = True
        return ApiError(500, "the gateway failed", kind="server_error", code="internal_error")
