"""Every request has an id, which its answer, its errors, its line in the log and its receipt carry."""

from __future__ import annotations

import os
import re

from ..gateway import Gateway
from ..protection.answers import App, Message, Receive, Scope, Send, header_of, state_of

__all__ = ["ORDER", "Middleware"]

ORDER = 10

_ALLOWED = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Middleware:
    """Takes the id from the header `x-request-id` if it is harmless, and makes one otherwise."""

    def __init__(self, app: App, gateway: Gateway) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = header_of(scope, b"x-request-id")
        id = (
            given
            if given is not None and _ALLOWED.fullmatch(given)
            else b"req_" + os.urandom(12).hex().encode()
        )
        state_of(scope)["request_id"] = id.decode()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", id)]
            await send(message)

        await self._app(scope, receive, send_with_id)
