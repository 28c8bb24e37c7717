"""One line in the log for each request: who, what kind, with which outcome, and never what was asked for."""

from __future__ import annotations

import time
from typing import Any

from ...server.events import Event, Level
from ..connection import GONE_STATUS
from ..gateway import Gateway
from ..protection.answers import App, Message, Receive, Scope, Send, state_of

__all__ = ["ORDER", "Middleware"]

ORDER = 20

_FACTS = ("version", "pictures", "trace_id", "prompt")
"""What a route may add to the line: a field that is new elsewhere must not get into the log by itself."""


class Middleware:
    """Writes an event `request` when a request has ended.

    Its values are `request_id`, `method`, `route` (the path's pattern: the path itself may hold a picture's random
    address), `status`, `seconds`, `sent_bytes`, `client`, `key` (its id), and of the dictionary `request.state.facts`,
    which routes fill, only those in `_FACTS`. A `prompt` is among these only with `--log-prompts`.
    """

    def __init__(self, app: App, gateway: Gateway) -> None:
        self._app, self._log = app, gateway.guard.log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status, sent = GONE_STATUS, 0

        async def counted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        state = state_of(scope)
        state["facts"] = {}
        try:
            await self._app(scope, receive, counted)
        finally:
            level: Level = "info" if status < 400 else "error" if status >= 500 else "warning"
            if self._log.writes(level):
                self._log(_event(scope, state, status, time.perf_counter() - started, sent, level))


def _event(
    scope: Scope, state: dict[str, Any], status: int, seconds: float, sent: int, level: Level
) -> Event:
    facts = state["facts"]
    key = state.get("key")
    client = scope.get("client")
    route = getattr(scope.get("route"), "path", "")
    values = {
        "request_id": state.get("request_id", ""),
        "method": scope["method"],
        "route": route,
        "status": status,
        "seconds": round(seconds, 6),
        "sent_bytes": sent,
        "client": client[0] if client else "",
        "key": key.id if key is not None else "",
        **{name: facts[name] for name in _FACTS if name in facts},
    }
    what = f"{scope['method']} {route or '(no route)'} {status} in {seconds * 1000:.1f} ms, {values['request_id']}"
    return Event("request", what, level, str(facts.get("model", "")), str(facts.get("error", "")), values)
