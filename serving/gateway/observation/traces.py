"""Traces of requests, by OpenTelemetry: one span of the gateway for each, which Triton's spans continue.

The context travels in the header `traceparent` (W3C Trace Context): from the client to the gateway, and from the
gateway in the metadata of gRPC to Triton. Triton 24.10 continues it if it was started with
`--trace-config mode=opentelemetry`; see `docs/gateway.md`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ...._version import __version__
from ....extras import require

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["EXPORT_SECONDS", "SERVICE", "Tracer", "traceparent_of"]

SERVICE = "litho-gateway"
EXPORT_SECONDS = 5.0
"""Longest time to hand spans to a collector, also at the end."""

_CONTEXT_HEADERS = (b"traceparent", b"tracestate")


class Tracer:
    """Makes the spans of one gateway and sends them to a collector, from a thread of its own.

    Args:
        collector: address for OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces.
        share: of the requests that are traced, 0 to 1. A request that brings a context is traced only if its client
            traces it as well.

    Raises:
        MissingExtra: OpenTelemetry is not installed.
    """

    def __init__(self, collector: str, share: float = 1.0) -> None:
        sdk = require("opentelemetry.sdk.trace", "tracing")
        export = require("opentelemetry.sdk.trace.export", "tracing")
        sampling = require("opentelemetry.sdk.trace.sampling", "tracing")
        resources = require("opentelemetry.sdk.resources", "tracing")
        otlp = require("opentelemetry.exporter.otlp.proto.http.trace_exporter", "tracing")
        propagation = require("opentelemetry.trace.propagation.tracecontext", "tracing")
        self._trace = require("opentelemetry.trace", "tracing")
        by_share = sampling.TraceIdRatioBased(share)
        self._provider = sdk.TracerProvider(
            # Whoever sends a context may ask for less than the share, and not for more.
            sampler=sampling.ParentBased(by_share, remote_parent_sampled=by_share),
            resource=resources.Resource.create({"service.name": SERVICE, "service.version": __version__}),
            shutdown_on_exit=False,
        )
        self._exporter = otlp.OTLPSpanExporter(collector, timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(export.BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("litho", __version__)
        self._propagator = propagation.TraceContextTextMapPropagator()

    def begin(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> Span:
        """The span of a request that has come; `end` follows in any case.

        Args:
            method: of HTTP.
            headers: of the request, names in small letters.
        """
        carrier = {
            name.decode(): value.decode("latin-1") for name, value in headers if name in _CONTEXT_HEADERS
        }
        context = self._propagator.extract(carrier) if carrier else None
        attributes = {"http.request.method": method}
        return self._tracer.start_span(method, context, self._trace.SpanKind.SERVER, attributes)

    def end(self, span: Span, method: str, route: str, status: int, facts: dict[str, Any]) -> None:
        """The request has ended.

        Args:
            span: as `begin` returned it.
            method: of HTTP.
            route: pattern of the path; empty where there is none.
            status: of the answer.
            facts: `model`, `pictures` and `error`, where they are known, and the `request_id`; nothing else of the
                request is sent, as a prompt would be.
        """
        if span.is_recording():
            if route:
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", status)
            for name in ("request_id", "model", "pictures"):
                if (value := facts.get(name)) is not None:
                    span.set_attribute(f"litho.{name}", value)
            if status >= 500:
                span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
                span.set_attribute("error.type", str(facts.get("error", status)))
        span.end()

    async def close(self) -> None:
        """Send what is left, for at most `EXPORT_SECONDS`."""
        # It tries again and again where nobody listens, for each batch of spans.
        ending = threading.Thread(target=self._provider.shutdown, name="litho-traces", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, EXPORT_SECONDS)
        if ending.is_alive():
            self._exporter.shutdown()


def traceparent_of(span: Span) -> str | None:
    """The header by which another server continues the trace; None if the request is not traced."""
    context = span.get_span_context()
    if not context.trace_flags.sampled:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
