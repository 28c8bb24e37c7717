"""`GET /v1/files/pictures/NAME`: pictures that were asked for by URL."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ..errors import not_found
from ..gateway import Gateway
from ..pictures import MEDIA_TYPES
from ..schemas import answered, errors, on_path

__all__ = ["make_router"]


def make_router(gateway: Gateway) -> APIRouter:
    """The path of stored pictures."""
    router = APIRouter(tags=["images"])

    kinds = {kind: {"type": "string", "format": "binary"} for kind in MEDIA_TYPES.values()}
    described = {"parameters": on_path("name"), "responses": answered("The file.", kinds) | errors(404)}

    @router.get("/v1/files/pictures/{name}", response_class=Response, openapi_extra=described)
    async def picture(request: Request) -> Response:
        """A picture by its random name, which only who asked for it knows."""
        found = gateway.store.get(request.path_params["name"])
        if found is None:
            raise not_found("there is no such picture, or no longer", "picture_not_found")
        headers = {"Cache-Control": "private, immutable, max-age=3600", "Content-Disposition": "inline"}
        return Response(found.content, media_type=MEDIA_TYPES[found.form], headers=headers)

    return router
