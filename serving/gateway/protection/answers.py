"""Answers that a middleware gives by itself: the errors of `serving/gateway/errors.py`, without the framework."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from ..errors import ApiError

__all__ = ["WHOLE", "App", "Message", "Receive", "Scope", "Send", "answer", "header_of", "state_of"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

WHOLE = "whole"
"""Name in a request's state that says that all of its body has arrived: nobody needs to wait for it."""


def state_of(scope: Scope) -> dict[str, Any]:
    """The request's state, which routes see as `request.state`."""
    return scope.setdefault("state", {})


def header_of(scope: Scope, name: bytes) -> bytes | None:
    """The value of a header in small letters; None if it is absent, the first if there are several."""
    for given, value in scope["headers"]:
        if given == name:
            return value
    return None


async def answer(scope: Scope, send: Send, error: ApiError, *, close: bool = False) -> None:
    """Answer with an error.

    Args:
        scope, send: of the request.
        error: what is answered.
        close: end the connection after it.
    """
    state = state_of(scope)
    state.setdefault("facts", {})["error"] = error.code or error.kind
    body = json.dumps(error.document(state.get("request_id"), scope.get("path", ""))).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    # To HEAD no content is sent, only its length.
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
