"""Who may use the gateway: whoever brings a valid key, where keys are asked for."""

from __future__ import annotations

from ..errors import ApiError
from ..gateway import Gateway
from ..protection.answers import App, Receive, Scope, Send, answer, header_of, state_of

__all__ = ["ORDER", "PUBLIC", "PUBLIC_FOLDERS", "Middleware"]

ORDER = 80

PUBLIC = frozenset(
    {"/", "/healthz", "/readyz", "/openapi.json", "/favicon.ico", "/v2/health/live", "/v2/health/ready"}
)
"""Paths that need no key: the page itself, and whether the gateway lives."""

PUBLIC_FOLDERS = ("/playground/", "/v1/files/pictures/")
"""Folders that need no key: the page's files, and pictures whose random address is the key to them."""


class Middleware:
    """Sets `request.state.key`, or answers 401."""

    def __init__(self, app: App, gateway: Gateway) -> None:
        self._app, self._guard = app, gateway.guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = state_of(scope)
        state["key"] = None
        path = scope["path"]
        if self._guard.keys is not None and path not in PUBLIC and not path.startswith(PUBLIC_FOLDERS):
            try:
                state["key"] = self._guard.key_of(header_of(scope, b"authorization"))
            except ApiError as error:
                await answer(scope, send, error)
                return
        await self._app(scope, receive, send)
