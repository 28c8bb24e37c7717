"""How long a client waits for an answer: it may ask for less than the gateway allows, and never for more."""

from __future__ import annotations

import re
import time

from ..errors import refused
from ..gateway import Gateway
from ..protection.answers import App, Receive, Scope, Send, answer, header_of, state_of

__all__ = ["HEADER", "ORDER", "Middleware"]

ORDER = 75
HEADER = b"x-deadline-seconds"

_NUMBER = re.compile(rb"[0-9]{1,5}(\.[0-9]{1,6})?")


class Middleware:
    """Sets `request.state.deadline_seconds`, and `deadline` as `time.monotonic` gives it.

    Routes pass on to Triton what is left when the request's body has arrived.

    The header `x-deadline-seconds` has a positive number, such as 2.5; without it the setting `timeout_seconds` holds.
    """

    def __init__(self, app: App, gateway: Gateway) -> None:
        self._app, self._most = app, gateway.settings.timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seconds, given = self._most, header_of(scope, HEADER)
        if given is not None:
            if _NUMBER.fullmatch(given) is None or float(given) == 0:
                error = refused(
                    "the header x-deadline-seconds is not a number of seconds above 0, such as 2.5",
                    HEADER.decode(),
                    "invalid_deadline",
                )
                await answer(scope, send, error)
                return
            seconds = min(seconds, float(given))
        state = state_of(scope)
        state["deadline_seconds"] = seconds
        state["deadline"] = time.monotonic() + seconds
        await self._app(scope, receive, send)
