"""Who may use the gateway: whoever brings a valid key, where keys are asked for."""

from __future__ import annotations

from ..errors import ApiError
from ..exchange import Exchange, Stage
from ..gateway import Gateway

__all__ = ["ORDER", "PUBLIC", "PUBLIC_FOLDERS", "Middleware"]

ORDER = 80

PUBLIC = frozenset(
    {"/", "/healthz", "/readyz", "/openapi.json", "/favicon.ico", "/v2/health/live", "/v2/health/ready"}
)
"""Paths that need no key: the page itself, and whether the gateway lives."""

PUBLIC_FOLDERS = ("/playground/", "/v1/files/pictures/")
"""Folders that need no key: the page's files, and pictures whose random address is the key to them."""


class Middleware(Stage):
    """Sets `request.state.key`, or answers 401."""

    def __init__(self, gateway: Gateway) -> None:
        self._guard = gateway.guard

    def begin(self, exchange: Exchange) -> ApiError | None:
        """Look at its key."""
        exchange.state["key"] = None
        path = exchange.path
        if self._guard.keys is not None and path not in PUBLIC and not path.startswith(PUBLIC_FOLDERS):
            try:
                exchange.state["key"] = self._guard.key_of(exchange.header(b"authorization"))
            except ApiError as error:
                return error
        return None
