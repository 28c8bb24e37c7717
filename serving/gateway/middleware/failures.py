"""A fault of the gateway itself: the client gets an error like any other, and the log says where it was."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect

from ...server.events import Event
from ..errors import ApiError
from ..gateway import Gateway
from ..protection.answers import App, Message, Receive, Scope, Send, answer, state_of
from ..protection.draining import shutting_down
from ..protection.request_log import where_of

__all__ = ["ORDER", "Middleware"]

ORDER = 95


class Middleware:
    """Answers 500 where nothing else answered; inside the other middlewares, so that their headers are there too.

    A request that is not finished in time at the end of the gateway is answered 503, as those that came later.
    """

    def __init__(self, app: App, gateway: Gateway) -> None:
        self._app, self._log, self._drain = app, gateway.guard.log, gateway.guard.drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noticed(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except asyncio.CancelledError:
            if started or not self._drain.draining:
                raise
            await answer(scope, send, shutting_down(), close=True)
        except ClientDisconnect:
            return  # within its body; the log calls it 499
        except Exception as error:
            id = state_of(scope).get("request_id", "")
            cause = f"{type(error).__name__} at {where_of(error)}"
            self._log(Event("failed", "the gateway failed", "error", "", cause, {"request_id": id}))
            if started:
                raise  # the connection ends, so that nobody takes a part for the whole
            failed = ApiError(500, "the gateway failed", kind="server_error", code="internal_error")
            await answer(scope, send, failed, close=True)
