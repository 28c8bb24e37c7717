"""`GET /v1/models`: the models of the server, in OpenAI's form, with what litho knows of each."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from ..gateway import Gateway
from ..served_models import Served

__all__ = ["card", "make_router"]


def make_router(gateway: Gateway) -> APIRouter:
    """The paths of models."""
    router = APIRouter(tags=["models"])

    @router.get("/v1/models")
    async def list_models() -> dict[str, Any]:
        """All models."""
        return {"object": "list", "data": [card(gateway, one) for one in gateway.models.all()]}

    @router.get("/v1/models/{model}")
    async def retrieve_model(model: str) -> dict[str, Any]:
        """One model."""
        return card(gateway, await gateway.models.find(model))

    return router


def card(gateway: Gateway, served: Served) -> dict[str, Any]:
    """OpenAI's object of a model; the key `litho` has its signature and what is known of it."""
    facts = served.facts
    return {
        "id": served.name,
        "object": "model",
        "created": served.created,
        "owned_by": "litho",
        "litho": {
            "signature": facts.signature.model_dump(mode="json"),
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
            "explanations": False,
        },
    }
