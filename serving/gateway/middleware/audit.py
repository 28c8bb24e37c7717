"""Every request to a model becomes an entry of the audit log, if the gateway has one."""

from __future__ import annotations

from typing import Any

from ...provenance.audit_log import Event
from ..connection import GONE_STATUS
from ..errors import unavailable
from ..gateway import Gateway
from ..protection.answers import App, Message, Receive, Scope, Send, answer, state_of

__all__ = ["ORDER", "Middleware"]

ORDER = 25

_FOLDERS = ("/v1/", "/v2/")
_HEALTH = "/v2/health/"


class Middleware:
    """Enters an event `request` when a request to `/v1` or `/v2` has ended.

    Its details are `request_id`, `method`, `route` (the path's pattern), `status`, `key` (its id), and of the facts
    that the route put into `request.state.facts` the model and the checksums of the receipts. Nothing of what was
    asked for is in it. Requests without a valid key are counted. While the log cannot be written, requests are
    answered 503.
    """

    def __init__(self, app: App, gateway: Gateway) -> None:
        self._app, self._audit = app, gateway.audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if (
            self._audit is None
            or scope["type"] != "http"
            or not path.startswith(_FOLDERS)
            or path.startswith(_HEALTH)
        ):
            await self._app(scope, receive, send)
            return
        if self._audit.failing:
            message = "no request is taken while the audit log cannot be written; try again later"
            await answer(scope, send, unavailable(message, "audit_unavailable"))
            return
        status = GONE_STATUS

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if status == 401:
                self._audit.count_refused()
            else:
                self._audit.add(Event("request", _details(scope, status)))


def _details(scope: Scope, status: int) -> dict[str, Any]:
    state = state_of(scope)
    facts, key = state.get("facts", {}), state.get("key")
    found = {
        "request_id": state.get("request_id", ""),
        "method": scope["method"],
        "route": getattr(scope.get("route"), "path", ""),
        "status": status,
        "key": "" if key is None else key.id,
    }
    return {**found, **{name: facts[name] for name in ("model", "receipts") if name in facts}}
