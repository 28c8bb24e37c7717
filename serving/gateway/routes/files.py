"""`GET /v1/files/pictures/NAME`: pictures that were asked for by URL."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ..errors import not_found
from ..gateway import Gateway
from ..pictures import MEDIA_TYPES

__all__ = ["make_router"]


def make_router(gateway: Gateway) -> APIRouter:
    """The path of stored pictures."""
    router = APIRouter(tags=["images"])

    @router.get("/v1/files/pictures/{name}")
    async def picture(name: str) -> Response:
        """A picture by its random name, which only who asked for it knows."""
        found = gateway.store.get(name)
        if found is None:
            raise not_found("there is no such picture, or no longer", "picture_not_found")
        headers = {"Cache-Control": "private, immutable, max-age=3600", "Content-Disposition": "inline"}
        return Response(found.content, media_type=MEDIA_TYPES[found.form], headers=headers)

    return router
