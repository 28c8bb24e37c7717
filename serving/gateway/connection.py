"""One HTTP request: options for the server from what middlewares found out, and whether its client is still there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from ...errors import DeadlineExceeded
from ...runners.triton import Options
from .errors import ApiError

__all__ = ["GONE_STATUS", "DirectRoute", "body_of", "facts_of", "request_options", "while_connected"]

GONE_STATUS = 499
"""Status of a request whose client left before the answer; no client ever sees it."""

_UNWATCHED_SECONDS = 0.25

Result = TypeVar("Result")


class DirectRoute(APIRoute):
    """A route whose function takes the request and returns the answer: FastAPI has nothing to work out for it.

    Its operation is described by `openapi_extra` alone.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function itself."""
        return self.endpoint


async def body_of(request: Request) -> bytes:
    """The whole body of a request.

    Raises:
        ClientDisconnect: the client left within it.
    """
    parts: list[bytes] = []
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def request_options(request: Request, **more: Any) -> Options:
    """Options that pass the request's deadline, id and trace on to the server.

    Args:
        request: of the client.
        more: further options.

    Raises:
        DeadlineExceeded: its time was over before all of it had arrived.
    """
    state = request.scope.get("state", {})
    return Options(
        timeout_seconds=_left_seconds(state),
        request_id=state.get("request_id", ""),
        traceparent=state.get("traceparent"),
        **more,
    )


def _left_seconds(state: dict[str, Any]) -> float | None:
    """What is left of a request's time; what passed counts in tenths, so that quick requests have equal options."""
    seconds, deadline = state.get("deadline_seconds"), state.get("deadline")
    if seconds is None or deadline is None:
        return seconds
    passed = seconds - (deadline - time.monotonic())
    left = seconds - int(10 * passed) / 10
    if left <= 0:
        raise DeadlineExceeded("the time of the request was over before it had arrived")
    return left


def facts_of(request: Request) -> dict[str, Any]:
    """What log, metrics and traces say of a request: routes put `model` and `pictures` there, and never a prompt."""
    return request.scope.setdefault("state", {}).setdefault("facts", {})


async def while_connected(request: Request, work: Awaitable[Result]) -> Result:
    """Await the work of a request whose body was read, and cancel it, on the server too, if the client leaves first.

    Raises:
        ApiError: the client left.
    """
    task = asyncio.ensure_future(work)
    watches: list[asyncio.Future[None]] = []
    # Most work is done before anybody has left: to watch all of it would cost more than what it saves.
    start = asyncio.get_running_loop().call_later(
        _UNWATCHED_SECONDS, lambda: watches.append(asyncio.ensure_future(_cancel_when_left(request, task)))
    )
    try:
        return await task
    except asyncio.CancelledError:
        if watches and watches[0].done() and not watches[0].cancelled():
            raise ApiError(GONE_STATUS, "the client left before the answer", code="client_gone") from None
        raise
    finally:
        start.cancel()
        for watch in watches:
            watch.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))


async def _cancel_when_left(request: Request, work: asyncio.Future[Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    work.cancel()
