"""Counts and times every request, those that later middlewares refuse among them."""

from __future__ import annotations

import time

from ..exchange import Exchange, Stage
from ..gateway import Gateway
from ..observation.metrics import NO_ROUTE

__all__ = ["ORDER", "Middleware"]

ORDER = 30


class Middleware(Stage):
    """Counts a request when it has ended.

    Routes say in `request.state.facts` for which `model` they made how many `pictures`, and errors which `error` they
    are.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._metrics = gateway.metrics

    def begin(self, exchange: Exchange) -> None:
        """It is in flight."""
        self._metrics.begin()

    def end(self, exchange: Exchange) -> None:
        """Count it."""
        facts = exchange.facts
        seconds = time.perf_counter() - exchange.began
        error = str(facts.get("error", ""))
        self._metrics.end(exchange.route or NO_ROUTE, exchange.method, exchange.status, seconds, error)
        if (pictures := facts.get("pictures")) and (model := facts.get("model")):
            self._metrics.made(model, pictures)
