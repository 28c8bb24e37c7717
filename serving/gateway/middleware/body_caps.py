"""How large a request may be, and how long it may take to arrive."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException

from ..errors import ApiError
from ..gateway import Gateway
from ..protection.answers import App, Message, Receive, Scope, Send, answer, header_of

__all__ = ["ORDER", "Middleware"]

ORDER = 70


class _Stop(HTTPException):
    """Ends the route that waits for a body; frameworks pass errors of this kind on, and their answer is not sent."""

    def __init__(self) -> None:
        super().__init__(400)


class Middleware:
    """Answers 413 to a body over the cap, announced or not, 408 to one that takes too long, 415 to a packed one.

    A body that announces its length is refused before any of it is read. What has arrived of all bodies has a cap too:
    over it a body is answered 503.
    """

    def __init__(self, app: App, gateway: Gateway) -> None:
        self._app = app
        settings = gateway.settings
        self._most, self._seconds = settings.most_body_bytes, settings.body_seconds
        self._most_together, self._together = settings.most_bodies_bytes, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif (error := self._refusal(scope)) is not None:
            await answer(scope, send, error)
        elif header_of(scope, b"content-length") is None and header_of(scope, b"transfer-encoding") is None:
            await self._app(scope, receive, send)  # it has no body
        else:
            await self._guarded(scope, receive, send)

    def _refusal(self, scope: Scope) -> ApiError | None:
        encoding = header_of(scope, b"content-encoding")
        if encoding is not None and encoding.strip().lower() not in (b"identity", b""):
            return ApiError(
                415,
                "the body has a Content-Encoding; send it as it is",
                code="unsupported_content_encoding",
                headers={"Accept-Encoding": "identity"},
            )
        length = header_of(scope, b"content-length")
        if length is not None and length.isdigit() and int(length[:20]) > self._most:
            return self._too_large()
        return None

    def _too_large(self) -> ApiError:
        return ApiError(
            413, f"the body is too large; at most {self._most} bytes are allowed", code="body_too_large"
        )

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        deadline = asyncio.get_running_loop().time() + self._seconds
        taken, complete, started = 0, False, False
        refused: ApiError | None = None

        async def limited() -> Message:
            nonlocal taken, complete, refused
            if complete:
                return await receive()  # what comes now is the news that the client is gone
            if refused is not None:
                raise _Stop
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                refused = ApiError(
                    408,
                    f"the body did not arrive within {self._seconds:g} s; send it faster, or a smaller one",
                    code="body_too_slow",
                )
                raise _Stop from None
            size = len(message.get("body", b""))
            taken += size
            self._together += size
            if taken > self._most:
                refused = self._too_large()
            elif self._together > self._most_together:
                refused = _too_many()
            if refused is not None:
                raise _Stop
            complete = not message.get("more_body", False)
            return message

        async def unless_refused(message: Message) -> None:
            nonlocal started
            if refused is None or started:
                started = True
                await send(message)

        try:
            await self._app(scope, limited, unless_refused)
        except Exception:
            if refused is None:
                raise
        finally:
            self._together -= taken
        if refused is not None and not started:
            await answer(scope, send, refused, close=True)


def _too_many() -> ApiError:
    return ApiError(
        503,
        "the gateway has as many bytes of requests as it takes; try again later",
        kind="server_error",
        code="server_busy",
        headers={"Retry-After": "1"},
    )
