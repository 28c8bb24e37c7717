"""`GET /v1/models/MODEL/explanations`: what its pictures hang on, and directions of its latent space."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from ....errors import BundleError
from ...server.events import Event
from ..errors import not_found
from ..gateway import Gateway

__all__ = ["make_router"]

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

    @router.get(
        "/v1/models/{model}/explanations",
        response_class=Response,
        responses={
            200: {"content": {"application/json": {"schema": _SCHEMA}}, "description": "The explanation."}
        },
    )
    async def explanations(model: str) -> Response:
        """What the pictures of a model hang on: words, label, source; and directions of its latent space."""
        served = await gateway.models.find(model)
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
        return Response(answer, media_type="application/json", headers={"Cache-Control": "private, no-cache"})

    return router
