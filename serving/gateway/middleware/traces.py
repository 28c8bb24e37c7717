"""Traces requests where a collector is named; what the gateway asks Triton for belongs to the same trace."""

from __future__ import annotations

from ..exchange import Exchange, Stage
from ..gateway import Gateway
from ..observation.traces import Tracer, traceparent_of

__all__ = ["ORDER", "Middleware"]

ORDER = 40


class Middleware(Stage):
    """Sets `request.state.traceparent`, which routes pass on to Triton, and `trace_id` among the facts for the log."""

    def __init__(self, gateway: Gateway) -> None:
        settings = gateway.settings
        self._tracer = None if settings.traces is None else Tracer(settings.traces, settings.traced_share)
        if self._tracer is not None:
            gateway.at_end(self._tracer.close)

    def begin(self, exchange: Exchange) -> None:
        """Begin its span."""
        if self._tracer is None:
            return
        span = self._tracer.begin(exchange.method, exchange.scope["headers"])
        exchange.state["span"] = span
        if (traceparent := traceparent_of(span)) is not None:
            exchange.state["traceparent"] = traceparent
            exchange.facts["trace_id"] = traceparent.split("-")[1]

    def end(self, exchange: Exchange) -> None:
        """End its span."""
        if self._tracer is None:
            return
        span, known = (
            exchange.state["span"],
            {**exchange.facts, "request_id": exchange.state.get("request_id")},
        )
        self._tracer.end(span, exchange.method, exchange.route, exchange.status, known)
