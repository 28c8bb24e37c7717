"""`GET /v1/models`: the models of the server, in OpenAI's form, with what litho knows of each."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from ..gateway import Gateway
from ..inputs import allowed_signature
from ..schemas import answered, errors, on_path, schema
from ..served_models import Served

__all__ = ["card", "make_router"]

JSON = "application/json"


def make_router(gateway: Gateway) -> APIRouter:
    """The paths of models."""
    router = APIRouter(tags=["models"])

    @router.get("/v1/models", openapi_extra={"responses": answered("All models.", {JSON: schema("Models")})})
    async def list_models() -> JSONResponse:
        """All models."""
        return JSONResponse({"object": "list", "data": [card(gateway, one) for one in gateway.models.all()]})

    one = {
        "parameters": on_path("model"),
        "responses": answered("It.", {JSON: schema("Model")}) | errors(404),
    }

    @router.get("/v1/models/{model}", openapi_extra=one)
    async def retrieve_model(request: Request) -> JSONResponse:
        """One model."""
        return JSONResponse(card(gateway, await gateway.models.find(request.path_params["model"])))

    return router


def card(gateway: Gateway, served: Served) -> dict[str, Any]:
    """OpenAI's object of a model; the key `litho` has its signature and what is known of it.

    The signature is what this gateway takes: `most_steps` is in it as the largest number of steps, and as what a
    request gets that names none, where the model itself would make more.
    """
    facts = served.facts
    return {
        "id": served.name,
        "object": "model",
        "created": served.created,
        "owned_by": "litho",
        "litho": {
            "signature": allowed_signature(facts.signature, gateway.settings.most_steps).model_dump(
                mode="json"
            ),
            "variant": facts.variant,
            "precision": facts.precision,
            "grade": facts.grade,
            "version": served.version,
            "bundle": facts.bundle,
            "checkpoint_sha256": facts.checkpoint_sha256,
            "bundle_sha256": served.bundle_sha256,
            "variants": [one.name for one in gateway.models.variants_of(served)],
            "decoupled": served.client.decoupled,
            "max_batch_size": served.client.max_batch_size,
            "most_pictures": gateway.settings.most_pictures,
            "explanations": gateway.explanations.has(served),
        },
    }
