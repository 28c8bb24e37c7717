"""Figures of a gateway for Prometheus: requests, how long they took, pictures, refusals, and whether Triton answers.

No label holds what a client chose freely: a path is its route's pattern, a model one that the server has. So the
number of series stays small, whatever is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector

__all__ = ["BUCKETS", "FAILURES", "NO_ROUTE", "REASONS", "Metrics"]

NO_ROUTE = "none"
"""Label of a request that matched no path."""

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper ends of the latencies that are counted, in seconds."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
FAILURES = ("500", "502", "503", "504")
"""Statuses whose series begin at 0."""
REASONS = {
    400: "invalid_request",
    401: "invalid_api_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limit_exceeded",
    499: "client_gone",
    500: "internal_error",
    502: "model_failed",
    503: "unavailable",
    504: "deadline_exceeded",
}
"""Status -> reason of a refusal whose error has no code; their series begin at 0."""


class Metrics:
    """The figures of one gateway, in a registry of its own.

    Args:
        triton_up: whether Triton answered when it was last asked.
    """

    def __init__(self, triton_up: Callable[[], bool]) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "litho_gateway_requests", "Answered requests.", ("route", "method", "status"), registry=registry
        )
        self._seconds = Histogram(
            "litho_gateway_request_seconds",
            "Time from the head of a request to the end of its answer.",
            ("route",),
            buckets=BUCKETS,
            registry=registry,
        )
        self._pictures = Counter(
            "litho_gateway_pictures", "Pictures that clients were given.", ("model",), registry=registry
        )
        self._rejected = Counter(
            "litho_gateway_rejected",
            "Requests that got no picture, by reason.",
            ("reason",),
            registry=registry,
        )
        self._in_flight = 0
        Gauge(
            "litho_gateway_requests_in_flight", "Requests that are not answered yet.", registry=registry
        ).set_function(lambda: float(self._in_flight))
        up = Gauge("litho_gateway_triton_up", "1 if Triton answered when last asked.", registry=registry)
        up.set_function(lambda: float(triton_up()))
        self._ends = Gauge(
            "litho_gateway_certificate_end_timestamp_seconds",
            "When a certificate ends, in seconds since 1970.",
            ("use",),
            registry=registry,
        )
        ProcessCollector(registry=registry)
        # A look for labels takes a lock and builds texts; routes, methods and statuses are few.
        self._counted = lru_cache(1024)(self._with_failures)
        for reason in REASONS.values():
            self._rejected.labels(reason)
        self._timed = lru_cache(256)(self._seconds.labels)
        self._of_model = lru_cache(256)(self._pictures.labels)

    def begin(self) -> None:
        """A request has come; `end` follows in any case."""
        self._in_flight += 1

    def end(self, route: str, method: str, status: int, seconds: float, error: str = "") -> None:
        """A request has ended.

        Args:
            route: pattern of its path, or `NO_ROUTE`.
            method: of HTTP.
            status: of the answer; 499 where the client left.
            seconds: how long it took.
            error: `code` of the error that it was answered with, where there is one.
        """
        self._in_flight -= 1
        method = method if method in _METHODS else "other"
        self._counted(route, method, status).inc()
        self._timed(route).observe(seconds)
        if status >= 400:
            self._rejected.labels(error or REASONS.get(status, str(status))).inc()

    def _with_failures(self, route: str, method: str, status: int) -> Counter:
        """A counter; the series of failures begin at 0: in one that begins at 1 Prometheus sees no increase."""
        for failure in FAILURES:
            self._requests.labels(route, method, failure)
        return self._requests.labels(route, method, str(status))

    def certificate(self, use: str, end: datetime) -> None:
        """A certificate was read.

        Args:
            use: "tls" or "content_credentials".
            end: of its time, in UTC.
        """
        self._ends.labels(use).set(end.timestamp())

    def made(self, model: str, pictures: int) -> None:
        """Pictures of a model went to a client."""
        self._of_model(model).inc(pictures)

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """All figures, and their media type: Prometheus' text, or OpenMetrics where `accept` asks for it."""
        encoder, media_type = choose_encoder(accept)
        return encoder(self._registry), media_type
