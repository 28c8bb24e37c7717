"""`POST /v1/images/generations`: pictures from a prompt or a label."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ..connection import DirectRoute, body_of
from ..gateway import Gateway
from ..image_request import from_json
from ..reply import reply, said_of

__all__ = ["make_router"]


def make_router(gateway: Gateway) -> APIRouter:
    """The path of generations."""
    router = APIRouter(tags=["images"], route_class=DirectRoute)

    @router.post("/v1/images/generations", response_class=Response, openapi_extra=said_of("image_generation"))
    async def generate(request: Request) -> Response:
        """Make pictures from a prompt or a label."""
        asked = from_json(await body_of(request), request.headers.get("content-type"))
        return await reply(gateway, request, asked)

    return router
