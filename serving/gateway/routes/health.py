"""`/healthz`, `/readyz` and `/metrics`: what orchestrators and Prometheus ask."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ..errors import unavailable
from ..gateway import Gateway
from ..served_models import Served

__all__ = ["make_router", "ready_models"]


def make_router(gateway: Gateway) -> APIRouter:
    """The paths of health and figures."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz")
    async def live() -> JSONResponse:
        """Whether the gateway lives; Triton may be down."""
        return JSONResponse({"status": "ok"})

    @router.get("/readyz")
    async def ready() -> JSONResponse:
        """Whether pictures can be made: Triton answers and serves a model, and the gateway does not end."""
        models = ready_models(gateway)
        return JSONResponse({"status": "ok", "models": [one.name for one in models]})

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics(request: Request) -> Response:
        """Figures for Prometheus."""
        content, media_type = gateway.metrics.text(request.headers.get("accept", ""))
        return Response(content, media_type=media_type)

    return router


def ready_models(gateway: Gateway) -> list[Served]:
    """The models of a gateway that takes requests.

    Raises:
        ApiError: 503, there is none, or the gateway takes no more.
    """
    if gateway.guard.drain.draining:
        raise unavailable(
            "the gateway is shutting down; try again, elsewhere or later", "server_shutting_down"
        )
    if models := gateway.models.all():
        return models
    raise unavailable("the server has no model of litho; deploy one with 'litho deploy'", "no_model")
