"""Spans of Triton, sent to a collector of OpenTelemetry."""

from __future__ import annotations

import re

from ...errors import UsageError

__all__ = ["check_collector", "trace_options"]

_FORM = re.compile(r"https?://[^/\s,=]+/[^\s,=]*")
"""Triton splits its options at commas and signs of equality."""


def check_collector(url: str) -> str:
    """The address of a collector, for OTLP over HTTP.

    Raises:
        UsageError: it has another form.
    """
    if _FORM.fullmatch(url) is None:
        raise UsageError(
            f"traces was given {url!r}; expected http://HOST:PORT/v1/traces, a collector's address"
        )
    return url


def trace_options(collector: str | None) -> list[str]:
    """Options of Triton that let it continue the traces of requests.

    With rate 0 only requests that bring a context in the header `traceparent` are traced: the one who sends it decides
    which. Triton 24.10 reads it over gRPC, and follows it even if its flag says "not sampled".

    Args:
        collector: address for OTLP over HTTP; None for no traces.

    Raises:
        UsageError: the address has another form.
    """
    if collector is None:
        return []
    return [
        f"--trace-config={setting}"
        for setting in (
            "mode=opentelemetry",
            f"opentelemetry,url={check_collector(collector)}",
            "opentelemetry,bsp_schedule_delay=1000",
            "level=TIMESTAMPS",
            "rate=0",
        )
    ]
