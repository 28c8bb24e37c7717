"""One line in the log for each request: who, what kind, with which outcome, and never what was asked for."""

from __future__ import annotations

import time
from typing import Any

from ...server.events import Event, Level
from ..exchange import Exchange, Stage
from ..gateway import Gateway

__all__ = ["ORDER", "Middleware"]

ORDER = 20

_FACTS = ("version", "pictures", "trace_id", "prompt")
"""What a route may add to the line: a field that is new elsewhere must not get into the log by itself."""


class Middleware(Stage):
    """Writes an event `request` when a request has ended.

    Its values are `request_id`, `method`, `route` (the path's pattern: the path itself may hold a picture's random
    address), `status`, `seconds`, `sent_bytes`, `client`, `key` (its id), and of the dictionary `request.state.facts`,
    which routes fill, only those in `_FACTS`. A `prompt` is among these only with `--log-prompts`.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._log = gateway.guard.log

    def end(self, exchange: Exchange) -> None:
        """Write its line."""
        status = exchange.status
        level: Level = "info" if status < 400 else "error" if status >= 500 else "warning"
        if self._log.writes(level):
            self._log(_event(exchange, level, documents=self._log.documents))


def _event(exchange: Exchange, level: Level, *, documents: bool) -> Event:
    facts, id = exchange.facts, exchange.state.get("request_id", "")
    seconds = time.perf_counter() - exchange.began
    method, route, status = exchange.method, exchange.route, exchange.status
    what = f"{method} {route or '(no route)'} {status} in {seconds * 1000:.1f} ms, {id}"
    values: dict[str, Any] = {}
    if documents:  # a line of text has no room for them
        key, client = exchange.state.get("key"), exchange.scope.get("client")
        values = {
            "request_id": id,
            "method": method,
            "route": route,
            "status": status,
            "seconds": round(seconds, 6),
            "sent_bytes": exchange.sent_bytes,
            "client": client[0] if client else "",
            "key": key.id if key is not None else "",
            **{name: facts[name] for name in _FACTS if name in facts},
        }
    return Event("request", what, level, str(facts.get("model", "")), str(facts.get("error", "")), values)
