"""How often and how many at a time a client may ask for pictures."""

from __future__ import annotations

from ..errors import ApiError
from ..gateway import Gateway
from ..protection.answers import App, Receive, Scope, Send, answer, state_of

__all__ = ["ORDER", "Middleware"]

ORDER = 90


class Middleware:
    """Answers 429 with Retry-After over a client's limits, 503 over the gateway's.

    Only POST counts: it makes pictures. The client is the key, or without keys the address; `request.state.client`
    names it.
    """

    def __init__(self, app: App, gateway: Gateway) -> None:
        self._app, self._guard = app, gateway.guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = state_of(scope)
        key, address = state.get("key"), scope.get("client")
        client = state["client"] = key.id if key is not None else address[0] if address else ""
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            self._guard.enter(client, key)
        except ApiError as error:
            await answer(scope, send, error)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._guard.leave(client)
