"""Counts and times every request, those that later middlewares refuse among them."""

from __future__ import annotations

import time
from typing import Any

from ..connection import GONE_STATUS
from ..gateway import Gateway
from ..observation.metrics import NO_ROUTE

__all__ = ["ORDER", "Middleware"]

ORDER = 30


class Middleware:
    """Counts a request when it has ended.

    Routes say in `request.state.facts` for which `model` they made how many `pictures`, and errors which `error` they
    are.
    """

    def __init__(self, app: Any, gateway: Gateway) -> None:
        self._app, self._metrics = app, gateway.metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = GONE_STATUS

        async def noticed(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        facts: dict[str, Any] = scope.setdefault("state", {}).setdefault("facts", {})
        self._metrics.begin()
        try:
            await self._app(scope, receive, noticed)
        except Exception:
            status = 500
            raise
        finally:
            route = getattr(scope.get("route"), "path", "") or NO_ROUTE
            seconds = time.perf_counter() - started
            self._metrics.end(route, scope["method"], status, seconds, str(facts.get("error", "")))
            if (pictures := facts.get("pictures")) and (model := facts.get("model")):
                self._metrics.made(model, pictures)
