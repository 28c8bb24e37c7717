"""`/healthz`, `/readyz` and `/metrics`: what orchestrators and Prometheus ask."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ..connection import DirectRoute
from ..errors import unavailable
from ..gateway import Gateway
from ..middleware.audit import audit_unavailable
from ..protection.draining import shutting_down
from ..schemas import answered, object_of
from ..served_models import Served

__all__ = ["make_router", "ready_models"]

JSON = "application/json"
_TEXT = {"type": "string"}
_LIVE = object_of({"status": _TEXT})
_READY = object_of({"status": _TEXT, "models": {"type": "array", "items": _TEXT}})


def make_router(gateway: Gateway) -> APIRouter:
    """The paths of health and figures."""
    router = APIRouter(tags=["operation"], route_class=DirectRoute)

    @router.get("/healthz", openapi_extra={"responses": answered("It lives.", {JSON: _LIVE})})
    async def live(request: Request) -> JSONResponse:
        """Whether the gateway lives; Triton may be down."""
        return JSONResponse({"status": "ok"})

    @router.get("/readyz", openapi_extra={"responses": answered("It is ready.", {JSON: _READY})})
    async def ready(request: Request) -> JSONResponse:
        """Whether pictures can be made and signed: Triton answers and serves a model, and the gateway does not end."""
        models = ready_models(gateway)
        return JSONResponse({"status": "ok", "models": [one.name for one in models]})

    text = {"text/plain": {"type": "string"}, "application/openmetrics-text": {"type": "string"}}

    @router.get("/metrics", response_class=Response, openapi_extra={"responses": answered("Figures.", text)})
    async def metrics(request: Request) -> Response:
        """Figures for Prometheus."""
        content, media_type = gateway.metrics.text(request.headers.get("accept", ""))
        return Response(content, media_type=media_type)

    return router


def ready_models(gateway: Gateway) -> list[Served]:
    """The models of a gateway that takes requests.

    Raises:
        ApiError: 503, there is none, or the gateway takes no more, or cannot read its keys or write its audit log.
        CertificateError: pictures cannot be signed at this time.
    """
    if gateway.guard.drain.draining:
        raise shutting_down()
    if (unreadable := gateway.guard.look_at_keys()) is not None:
        raise unreadable
    if gateway.audit is not None and gateway.audit.failing:
        raise audit_unavailable()
    gateway.receipts.check()
    if models := gateway.models.all():
        return models
    raise unavailable("the server has no model of litho; deploy one with 'litho deploy'", "no_model")
