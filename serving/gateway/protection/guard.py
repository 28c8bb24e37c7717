"""What the middlewares of one gateway share: keys, rates, concurrency, the log, and whether it ends."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ...server.events import Event
from ..errors import ApiError, refused as bad_request
from ..settings import GatewaySettings
from .draining import Drain
from .key_check import KeyCheck
from .keys import KeyFile, KeyLimits, KeyRecord
from .limits import Concurrency, Rate, Refused
from .request_log import RequestLog

__all__ = ["Guard"]

_ALLOWED = {
    "concurrency": "at most {0.allowed} requests may run at a time",
    "bodies": "at most {0.allowed} bodies may be on their way at a time",
}
"""What is over its limit -> the limit in words; of all others it is one a minute."""

_NO_LIMITS = KeyLimits()
_TYPES = {"requests": "requests", "pictures": "images", "concurrency": "requests", "bodies": "requests"}
"""What is over its limit -> `type` of OpenAI's error."""


class Guard:
    """Protection of one gateway.

    Args:
        settings: of the gateway.

    Attributes:
        keys: that are valid; None where none are asked for.
        drain: whether the gateway ends.
        log: of requests.

    Raises:
        UsageError, SchemaError: the file of keys cannot be used.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self.keys = None if settings.keys is None else KeyCheck(KeyFile(settings.keys))
        self.drain = Drain()
        self.log = RequestLog(sys.stderr, settings.log_format, settings.log_level)
        self._requests, self._pictures = Rate("requests"), Rate("pictures")
        self._concurrency, self._arriving = Concurrency(), Concurrency("bodies")
        self._most_arriving = settings.most_running - settings.most_running // 4
        self._problem = ""

    def look_at_keys(self) -> ApiError | None:
        """Read the file of keys again if it changed; 503 if it cannot be read, None if all is well."""
        if self.keys is None:
            return None
        self.keys.refresh()
        if self.keys.problem != self._problem:
            self._problem = self.keys.problem
            words = "the file of keys is read again" if not self._problem else "no key is valid"
            self.log(Event("keys", words, "error" if self._problem else "info", "", self._problem))
        if not self._problem:
            return None
        return ApiError(
            503,
            "the gateway cannot read its keys; try again later",
            kind="server_error",
            code="keys_unavailable",
            headers={"Retry-After": "10"},
        )

    def key_of(self, given: bytes | None) -> KeyRecord:
        """The key that a request brings.

        Args:
            given: value of its header Authorization; None if it has none.

        Raises:
            ApiError: 401, it brings none, or none that is valid; 503, the keys cannot be read.
        """
        assert self.keys is not None, "this gateway asks for no key"
        unreadable = self.look_at_keys()
        scheme, _, key = (given or b"").partition(b" ")
        record = self.keys.find(key.strip() if scheme.lower() == b"bearer" else b"")
        if unreadable is not None:
            raise unreadable
        if record is None:
            message = (
                "the request brings no API key; send it as 'Authorization: Bearer KEY'"
                if given is None
                else "the API key is not valid for this gateway; see 'litho key list' for those that are"
            )
            raise ApiError(
                401,
                message,
                code="invalid_api_key",
                headers={"WWW-Authenticate": 'Bearer realm="litho"'},
            )
        return record

    def enter(self, client: str, key: KeyRecord | None, *, body: bool = False) -> None:
        """A request for pictures comes; `leave` ends it.

        Args:
            client: id of its key, or its address.
            key: that it brings; None where none is asked for.
            body: whether it has a body, which is on its way until `arrived`.

        Raises:
            ApiError: 429, the client is over a limit; 503, the gateway has as much as it takes.
        """
        own = _NO_LIMITS if key is None else key.limits
        if self._concurrency.total >= self._settings.most_running:
            raise ApiError(
                503,
                "the gateway has as many requests as it takes; try again later",
                kind="server_error",
                code="server_busy",
                headers={"Retry-After": "1"},
            )
        most = own.concurrent or self._settings.concurrent
        if most is not None:
            _refuse(self._concurrency.enter(client, most))
        else:
            self._concurrency.enter(client, self._settings.most_running)
        per_minute = own.requests_per_minute or self._settings.requests_per_minute
        if body and (refused := self._arriving.enter(client, self._most_arriving)) is not None:
            self._concurrency.leave(client)
            _refuse(refused)
        if per_minute is not None and (refused := self._requests.take(client, per_minute)) is not None:
            self._concurrency.leave(client)
            if body:
                self._arriving.leave(client)
            _refuse(refused)

    def arrived(self, client: str) -> None:
        """The body of a request that entered is here, or does not come any more."""
        self._arriving.leave(client)

    def leave(self, client: str) -> None:
        """A request that entered has ended."""
        self._concurrency.leave(client)

    def take_pictures(self, state: Mapping[str, Any], count: int) -> None:
        """Count the pictures of a request; routes call it once they know how many are asked for.

        Args:
            state: of the request, as `state_of` gives it.
            count: pictures, 1 or more.

        Raises:
            ApiError: 429, the client is over its limit of pictures; 400, it can never have so many at once.
        """
        key: KeyRecord | None = state.get("key")
        own = _NO_LIMITS if key is None else key.limits
        per_minute = own.pictures_per_minute or self._settings.pictures_per_minute
        if per_minute is not None:
            if count > per_minute:
                raise bad_request(
                    f"{count} pictures were asked for; at most {per_minute} a minute are allowed",
                    code="too_many_pictures",
                )
            _refuse(self._pictures.take(state.get("client", ""), per_minute, count))


def _refuse(refused: Refused | None) -> None:
    if refused is None:
        return
    allowed = _ALLOWED.get(refused.reason, "at most {0.allowed} {0.reason} a minute are allowed").format(
        refused
    )
    raise ApiError(
        429,
        f"{allowed}; try again in {refused.retry_after} s",
        kind=_TYPES[refused.reason],
        code="rate_limit_exceeded",
        headers={"Retry-After": refused.retry_after},
    )
