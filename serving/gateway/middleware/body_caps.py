"""How large a request may be, and how long it may take to arrive."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException

from ..errors import ApiError
from ..exchange import Exchange, Stage
from ..gateway import Gateway
from ..protection.answers import WHOLE, Message, Receive

__all__ = ["ORDER", "Middleware"]

ORDER = 70

_TAKEN = "taken_body_bytes"
"""Name in the request's state of what has arrived of its body."""


class _Stop(HTTPException):
    """Ends the route that waits for a body; frameworks pass errors of this kind on, and their answer is not sent."""

    def __init__(self) -> None:
        super().__init__(400)


class Middleware(Stage):
    """Answers 413 to a body over the cap, announced or not, 408 to one that takes too long, 415 to a packed one.

    A body that announces its length is refused before any of it is read. What has arrived of all bodies has a cap too:
    over it a body is answered 503.
    """

    def __init__(self, gateway: Gateway) -> None:
        settings = gateway.settings
        self._most, self._seconds = settings.most_body_bytes, settings.body_seconds
        self._most_together, self._together = settings.most_bodies_bytes, 0

    def begin(self, exchange: Exchange) -> ApiError | None:
        """Refuse what its head says, and watch the body."""
        encoding = exchange.header(b"content-encoding")
        if encoding is not None and encoding.strip().lower() not in (b"identity", b""):
            return ApiError(
                415,
                "the body has a Content-Encoding; send it as it is",
                code="unsupported_content_encoding",
                headers={"Accept-Encoding": "identity"},
            )
        length = exchange.header(b"content-length")
        if length is not None and length.isdigit() and int(length[:20]) > self._most:
            return self._too_large()
        if length is not None or exchange.header(b"transfer-encoding") is not None:
            exchange.receive = self._limited(exchange)
        return None

    def end(self, exchange: Exchange) -> None:
        """Its bytes are no longer here."""
        self._together -= exchange.state.pop(_TAKEN, 0)

    def _too_large(self) -> ApiError:
        return ApiError(
            413, f"the body is too large; at most {self._most} bytes are allowed", code="body_too_large"
        )

    def _limited(self, exchange: Exchange) -> Receive:
        deadline = asyncio.get_running_loop().time() + self._seconds
        receive, complete = exchange.receive, False
        exchange.state[_TAKEN] = 0

        async def limited() -> Message:
            nonlocal complete
            if complete:
                return await receive()  # what comes now is the news that the client is gone
            if exchange.refused is not None:
                raise _Stop
            try:
                # A timer costs more than reading what is here already, as most bodies are.
                message = await (receive() if WHOLE in exchange.state else _in_time(receive, deadline))
            except TimeoutError:
                refused = ApiError(
                    408,
                    f"the body did not arrive within {self._seconds:g} s; send it faster, or a smaller one",
                    code="body_too_slow",
                )
                raise _stopped(exchange, refused) from None
            size = len(message.get("body", b""))
            exchange.state[_TAKEN] += size
            self._together += size
            if exchange.state[_TAKEN] > self._most:
                raise _stopped(exchange, self._too_large())
            if self._together > self._most_together:
                raise _stopped(exchange, _too_many())
            if complete := not message.get("more_body", False):
                exchange.arrived()
            return message

        return limited


async def _in_time(receive: Receive, deadline: float) -> Message:
    async with asyncio.timeout_at(deadline):
        return await receive()


def _stopped(exchange: Exchange, refused: ApiError) -> Exception:
    """What ends the route; in place of whatever it answers stands the refusal."""
    exchange.refused, exchange.closes = refused, True
    return _Stop()


def _too_many() -> ApiError:
    return ApiError(
        503,
        "the gateway has as many bytes of requests as it takes; try again later",
        kind="server_error",
        code="server_busy",
        headers={"Retry-After": "1"},
    )
