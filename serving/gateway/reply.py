"""The answer to a checked request: a document, or a stream of events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from .answers import document_of, events_of
from .connection import facts_of, while_connected
from .gateway import Gateway
from .image_request import ImageRequest
from .plan import Uploads, planned
from .protection.answers import state_of
from .schemas import answered, errors, events, schema

__all__ = ["reply", "said_of"]


def said_of(kind: str) -> dict[str, Any]:
    """What the OpenAPI document says of the answer.

    Args:
        kind: what the names of events begin with, such as "image_edit".
    """
    content = {"application/json": schema("Images"), "text/event-stream": events(kind)}
    said = answered("The pictures; with `stream`, server-sent events of them and of previews.", content)
    return {"responses": said | errors(404, 502, 504)}


async def reply(
    gateway: Gateway, request: Request, asked: ImageRequest, uploads: Uploads | None = None
) -> Response:
    """Do what a request asks for.

    The status of a stream is decided by its first event, so that a server that is down is an error of HTTP.

    Args:
        gateway: that the request came to.
        request: whose body was read to its end.
        asked: what the body says.
        uploads: the pictures of an edit; None for a generation.

    Raises:
        EndpointError: the server refused, or did not answer in time.
        ApiError: something of it is not allowed; 429, the client is over its limit; 499, it went away.
        CertificateError: pictures cannot be signed at this time.
    """
    gateway.receipts.check()
    facts = facts_of(request)
    plan = await planned(gateway, asked, uploads)
    facts["model"], facts["version"] = plan.served.name, plan.served.version
    if gateway.settings.log_prompts:
        facts["prompt"] = asked.prompt
    gateway.guard.take_pictures(state_of(request.scope), len(plan.rows))
    if not asked.stream:
        document = await while_connected(request, document_of(gateway, plan, request))
        return Response(document, media_type="application/json")
    events = events_of(gateway, plan, request)
    try:
        first = await while_connected(request, anext(events))
    except BaseException:
        await events.aclose()
        raise
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_all(first, events), headers=headers, media_type="text/event-stream")


async def _all(first: bytes, events: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(events):
        yield first
        async for event in events:
            yield event
