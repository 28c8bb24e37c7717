"""`GET /v1/models/MODEL/explanations`: what its pictures hang on, and directions of its latent space."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from ....errors import BundleError
from ...server.events import Event
from ..errors import not_found
from ..gateway import Gateway
from ..schemas import answered, errors, on_path

__all__ = ["make_router"]

_JSON = "application/json"
_CODE = "explanations_not_found"

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["object", "model", "version", "explanation", "pictures"],
    "additionalProperties": False,
    "properties": {
        "object": {"const": "model.explanations"},
        "model": {"type": "string"},
        "version": {"type": "integer", "minimum": 1},
        "explanation": {"type": "object", "description": "See docs/explanations.md."},
        "pictures": {
            "type": "object",
            "description": "Name of each PNG file -> data URL.",
            "additionalProperties": {"type": "string", "pattern": "^data:image/png;base64,"},
        },
    },
}


def make_router(gateway: Gateway) -> APIRouter:
    """The path of explanations."""
    router = APIRouter(tags=["models"])

    described = {
        "parameters": on_path("model"),
        "responses": answered("The explanation.", {_JSON: _SCHEMA}) | errors(404),
    }

    @router.get("/v1/models/{model}/explanations", response_class=Response, openapi_extra=described)
    async def explanations(request: Request) -> Response:
        """What the pictures of a model hang on: words, label, source; and directions of its latent space."""
        served = await gateway.models.find(request.path_params["model"])
        try:
            answer = await gateway.in_thread(gateway.explanations.answer, served)
        except BundleError as error:
            said = "an explanation is not handed out"
            gateway.guard.log(Event("explanation-damaged", said, "error", served.name, str(error)))
            raise not_found(
                "the explanation of this model is damaged and is not handed out; deploy the model again",
                _CODE,
                "model",
            ) from None
        if answer is None:
            raise not_found(
                "the bundle of this model carries no explanation that the gateway can read; 'litho evaluate RUN"
                " --explain' makes one",
                _CODE,
                "model",
            )
        return Response(answer, media_type=_JSON, headers={"Cache-Control": "private, no-cache"})

    return router
