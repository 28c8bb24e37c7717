"""Which web pages may use the gateway: its own, and those of the origins that were allowed."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware

from ..errors import ApiError
from ..exchange import Exchange, Stage
from ..gateway import Gateway
from ..protection.answers import App

__all__ = ["ORDER", "Middleware"]

ORDER = 55

_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})
_EXPOSED = ("x-request-id", "retry-after")


class Middleware(Stage):
    """Refuses requests that a browser sends for a page of another origin, and answers CORS for allowed ones.

    A browser sends forms to any address, also to this machine's loopback: what it sends for a strange page is refused
    although the page could not read the answer. A gateway without keys that listens on loopback also refuses names of
    other hosts: by such a name that leads to 127.0.0.1 (DNS rebinding) a strange page would be of the same origin.
    """

    _own = ""

    def __init__(self, gateway: Gateway) -> None:
        settings = gateway.settings
        self._origins = frozenset(settings.allow_origins)
        self._hosts = frozenset(urlsplit(origin).hostname or "" for origin in self._origins)
        self._any = "*" in self._origins
        if settings.public_url is not None:  # its own page, whatever the proxy says of the host
            public = urlsplit(settings.public_url)
            port = {"http": ":80", "https": ":443"}[public.scheme]  # which browsers leave out
            self._own = f"{public.scheme}://{public.netloc.lower().removesuffix(port)}"
            self._hosts |= {public.hostname or ""}
        self._local = settings.keys is None and is_loopback(settings.host)
        self._is_own = lru_cache(256)(self._names_this_machine)  # every request has one of few names
        if self._origins:
            self.around = self._answering_browsers

    def _answering_browsers(self, app: App) -> App:
        return CORSMiddleware(
            app,  # pyright: ignore[reportArgumentType]
            allow_origins=sorted(self._origins),
            allow_methods=("GET", "POST"),
            allow_headers=("*",),  # OpenAI's client for browsers sends a dozen of its own
            expose_headers=_EXPOSED,
        )  # pyright: ignore[reportReturnType]

    def begin(self, exchange: Exchange) -> ApiError | None:
        """Refuse it for a strange page."""
        host = (exchange.header(b"host") or b"").decode("latin-1")
        if self._local and host and not self._is_own(host):
            return ApiError(
                403,
                "this gateway has no keys and answers only to names of this machine, such as 127.0.0.1; allow another"
                " with --allow-origin, or use keys",
                code="host_not_allowed",
            )
        origin = exchange.header(b"origin")
        if origin is None or exchange.method in _CHANGES_NOTHING or self._any:
            return None
        given = origin.decode("latin-1")
        if given in self._origins or given == self._own or urlsplit_or_none(given) == host.lower():
            return None
        return ApiError(
            403,
            "pages of this origin may not use the gateway; allow it with --allow-origin",
            code="origin_not_allowed",
        )

    def _names_this_machine(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name == "localhost" or name.endswith(".localhost") or name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def urlsplit_or_none(origin: str) -> str | None:
    """HOST:PORT of an origin, in small letters; None for "null" and what is no origin."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
