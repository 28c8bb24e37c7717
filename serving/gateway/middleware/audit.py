"""Every request to a model becomes an entry of the audit log, if the gateway has one."""

from __future__ import annotations

from typing import Any

from ...provenance.audit_log import Event
from ..errors import ApiError, unavailable
from ..exchange import Exchange, Stage
from ..gateway import Gateway

__all__ = ["ORDER", "Middleware", "audit_unavailable"]

ORDER = 25

_FOLDERS = ("/v1/", "/v2/")
_HEALTH = "/v2/health/"


class Middleware(Stage):
    """Enters an event `request` when a request to `/v1` or `/v2` has ended.

    Its details are `request_id`, `method`, `route` (the path's pattern), `status`, `key` (its id), and of the facts
    that the route put into `request.state.facts` the model and the checksums of the receipts. Nothing of what was
    asked for is in it. Requests without a valid key are counted. While the log cannot be written, requests are
    answered 503.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._audit = gateway.audit

    def begin(self, exchange: Exchange) -> ApiError | None:
        """Refuse it while the log cannot be written."""
        if self._audit is None or not _entered(exchange.path) or not self._audit.failing:
            return None
        return audit_unavailable()

    def end(self, exchange: Exchange) -> None:
        """Enter it."""
        if self._audit is None or not _entered(exchange.path):
            return
        if exchange.status == 401:
            self._audit.count_refused()
        else:
            self._audit.add(Event("request", _details(exchange)))


def audit_unavailable() -> ApiError:
    """503: the audit log cannot be written at the moment."""
    message = "no request is taken while the audit log cannot be written; try again later"
    return unavailable(message, "audit_unavailable")


def _entered(path: str) -> bool:
    return path.startswith(_FOLDERS) and not path.startswith(_HEALTH)


def _details(exchange: Exchange) -> dict[str, Any]:
    facts, key = exchange.facts, exchange.state.get("key")
    found = {
        "request_id": exchange.state.get("request_id", ""),
        "method": exchange.method,
        "route": exchange.route,
        "status": exchange.status,
        "key": "" if key is None else key.id,
    }
    return {**found, **{name: facts[name] for name in ("model", "receipts") if name in facts}}
