"""Headers that keep a browser from doing with an answer what it was not made for."""

from __future__ import annotations

from ..exchange import Exchange, Stage
from ..gateway import Gateway

__all__ = ["ORDER", "Middleware"]

ORDER = 50

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)


class Middleware(Stage):
    """Adds each header that the route did not set itself (OWASP Secure Headers); HSTS where the gateway has TLS."""

    def __init__(self, gateway: Gateway) -> None:
        settings = gateway.settings
        resource = b"cross-origin" if settings.allow_origins else b"same-origin"
        self._headers = dict([*_HEADERS, (b"cross-origin-resource-policy", resource)])
        if settings.tls_certificate is not None:
            self._headers[b"strict-transport-security"] = b"max-age=31536000"

    def head(self, exchange: Exchange, headers: list[tuple[bytes, bytes]]) -> None:
        """Add what the answer does not have."""
        own = {name.lower() for name, _ in headers}
        headers += [header for header in self._headers.items() if header[0] not in own]
