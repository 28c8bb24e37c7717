"""`/v2`: KServe's inference protocol, for models of litho; what reaches Triton was checked against their signatures.

A model that works in flight answers here like any other: in one answer, without previews. Nothing of Triton's
repository, shared memory, logging or trace settings can be reached.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from numpy.typing import NDArray

from ...provenance.receipt import Receipt
from ..connection import DirectRoute, body_of, facts_of, request_options, while_connected
from ..errors import not_found
from ..gateway import Gateway
from ..kserve.descriptions import model_configuration, model_metadata, server_metadata
from ..kserve.infer_answer import check_answer, infer_answer
from ..kserve.infer_request import InferRequest, RequestReader, read_length
from ..kserve.limits import check_limits, most_rows
from ..kserve.schemas import CONFIGURATION, INFER, LIVE, METADATA, READY, SERVER, on_model
from ..protection.answers import header_of, state_of
from ..served_models import Served
from .health import ready_models

__all__ = ["make_router"]


def make_router(gateway: Gateway) -> APIRouter:
    """The paths of the protocol."""
    router = APIRouter(tags=["kserve"], route_class=DirectRoute)
    _add_server(router, gateway)
    for prefix in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        _add_model(router, gateway, prefix)
    return router


def _add_server(router: APIRouter, gateway: Gateway) -> None:
    @router.get("/v2", openapi_extra=SERVER)
    async def server(request: Request) -> JSONResponse:
        """What the protocol calls the server: this gateway."""
        return JSONResponse(server_metadata())

    @router.get("/v2/health/live", response_class=Response, openapi_extra=LIVE)
    async def live(request: Request) -> Response:
        """Whether the gateway lives."""
        return Response()

    @router.get("/v2/health/ready", response_class=Response, openapi_extra=READY)
    async def ready(request: Request) -> Response:
        """Whether Triton answers and serves a model of litho."""
        ready_models(gateway)
        return Response()


def _add_model(router: APIRouter, gateway: Gateway, prefix: str) -> None:
    readers: WeakKeyDictionary[Served, RequestReader] = WeakKeyDictionary()

    async def found(request: Request) -> Served:
        name, version = request.path_params["model"], request.path_params.get("version")
        served = await gateway.models.find(name)
        if version not in (None, str(served.version)):
            raise not_found(
                f"model {served.name!r} is served in version {served.version} only",
                "model_not_found",
                "version",
            )
        return served

    @router.get(prefix, openapi_extra=on_model(prefix, METADATA))
    async def metadata(request: Request) -> JSONResponse:
        """Inputs and outputs of a model."""
        served = await found(request)
        return JSONResponse(model_metadata(served.name, str(served.version), served.signature))

    @router.get(f"{prefix}/ready", response_class=Response, openapi_extra=on_model(prefix, READY))
    async def ready(request: Request) -> Response:
        """Whether a model answers."""
        await found(request)
        return Response()

    @router.get(f"{prefix}/config", openapi_extra=on_model(prefix, CONFIGURATION))
    async def config(request: Request) -> JSONResponse:
        """Configuration of a model, for clients, with the facts of its deployment."""
        served = await found(request)
        rows = most_rows(served, gateway.settings)
        described = model_configuration(
            served.name, str(served.version), served.signature, rows, served.facts.to_parameters()
        )
        return JSONResponse(described)

    @router.post(f"{prefix}/infer", response_class=Response, openapi_extra=on_model(prefix, INFER))
    async def infer(request: Request) -> Response:
        """Make pictures from tensors."""
        served = await found(request)
        reader = readers.get(served)
        if reader is None:
            reader = readers[served] = RequestReader(served.signature, most_rows(served, gateway.settings))
        return await _infer(gateway, request, served, reader)


async def _infer(gateway: Gateway, request: Request, served: Served, reader: RequestReader) -> Response:
    body = await body_of(request)
    length = read_length(header_of(request.scope, b"inference-header-content-length"), len(body))
    signature = served.signature
    asked = reader.read(body, length)
    check_limits(asked.inputs, signature, gateway.settings)
    check_answer(signature, asked)
    gateway.guard.take_pictures(state_of(request.scope), len(next(iter(asked.inputs.values()))))
    options = request_options(
        request,
        priority=asked.priority,
        queue_seconds=asked.queue_seconds,
        answer_seconds=gateway.settings.answer_seconds,
    )
    made = await while_connected(request, served.together.submit(asked.inputs, options))
    images = made[signature.output.name]
    facts = facts_of(request)
    facts["model"], facts["version"], facts["pictures"] = served.name, served.version, len(images)
    receipts: list[Receipt] = []
    if asked.receipts:
        receipts = await gateway.in_thread(_receipts, gateway, served, asked, images, options.request_id)
        facts["receipts"] = [one.checksum for one in receipts]
    content, headers = infer_answer(
        images,
        asked,
        output=signature.output.name,
        model=served.name,
        version=str(served.version),
        receipts=receipts,
    )
    return Response(content, headers=headers)


def _receipts(
    gateway: Gateway, served: Served, asked: InferRequest, images: NDArray[np.uint8], request_id: str
) -> list[Receipt]:
    origin = served.origin
    return [
        gateway.receipts.make(
            origin, {name: array[row] for name, array in asked.inputs.items()}, image, request_id=request_id
        )
        for row, image in enumerate(images)
    ]
