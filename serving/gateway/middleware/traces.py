"""Traces requests where a collector is named; what the gateway asks Triton for belongs to the same trace."""

from __future__ import annotations

from typing import Any

from ..connection import GONE_STATUS
from ..gateway import Gateway
from ..observation.traces import Tracer, traceparent_of

__all__ = ["ORDER", "Middleware"]

ORDER = 40


class Middleware:
    """Sets `request.state.traceparent`, which routes pass on to Triton, and `trace_id` among the facts for the log."""

    def __init__(self, app: Any, gateway: Gateway) -> None:
        self._app = app
        settings = gateway.settings
        self._tracer = None if settings.traces is None else Tracer(settings.traces, settings.traced_share)
        if self._tracer is not None:
            gateway.at_end(self._tracer.close)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if self._tracer is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = GONE_STATUS

        async def noticed(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        state: dict[str, Any] = scope.setdefault("state", {})
        facts: dict[str, Any] = state.setdefault("facts", {})
        span = self._tracer.begin(scope["method"], scope["headers"])
        if (traceparent := traceparent_of(span)) is not None:
            state["traceparent"] = traceparent
            facts["trace_id"] = traceparent.split("-")[1]
        try:
            await self._app(scope, receive, noticed)
        except Exception:
            status = 500
            raise
        finally:
            route = getattr(scope.get("route"), "path", "")
            known = {**facts, "request_id": state.get("request_id")}
            self._tracer.end(span, scope["method"], route, status, known)
