"""New requests are refused while the gateway ends; those that it has are counted, so that it can wait for them."""

from __future__ import annotations

from ..gateway import Gateway
from ..protection.answers import App, Receive, Scope, Send, answer
from ..protection.draining import shutting_down

__all__ = ["ORDER", "Middleware"]

ORDER = 60

_NOT_WORK = frozenset({"/healthz", "/readyz", "/metrics"})
"""Who asks these wants to know how the end goes."""


class Middleware:
    """Answers 503 with Retry-After, and ends the connection, once `Guard.drain` has begun."""

    def __init__(self, app: App, gateway: Gateway) -> None:
        self._app, self._drain = app, gateway.guard.drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] in _NOT_WORK:
            await self._app(scope, receive, send)
        elif self._drain.draining:
            await answer(scope, send, shutting_down(), close=True)
        else:
            self._drain.enter()
            try:
                await self._app(scope, receive, send)
            finally:
                self._drain.leave()
