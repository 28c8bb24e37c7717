"""Headers that keep a browser from doing with an answer what it was not made for."""

from __future__ import annotations

from ..gateway import Gateway
from ..protection.answers import App, Message, Receive, Scope, Send

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


class Middleware:
    """Adds each header that the route did not set itself (OWASP Secure Headers); HSTS where the gateway has TLS."""

    def __init__(self, app: App, gateway: Gateway) -> None:
        settings = gateway.settings
        resource = b"cross-origin" if settings.allow_origins else b"same-origin"
        self._headers = [*_HEADERS, (b"cross-origin-resource-policy", resource)]
        if settings.tls_certificate is not None:
            self._headers.append((b"strict-transport-security", b"max-age=31536000"))
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                present = {name.lower() for name, _ in own}
                message["headers"] = own + [header for header in self._headers if header[0] not in present]
            await send(message)

        await self._app(scope, receive, send_with_headers)
